import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { LocalKafka } from "@millrace/kafka-testkit";
import { median } from "./engine/measure.js";
import type { KeyedCell, KeyedRequest } from "./keyed/cell.js";
import { MAX_IN_FLIGHT, MAX_IN_FLIGHT_TOTAL, MAX_WAITING } from "./keyed/millrace.js";
import { type SubjectName, subjects } from "./keyed/subjects.js";
import { type KeyedTopic, KeyedTopics } from "./keyed/topics.js";
import { type KeyedBench, keyedBenches } from "./keyed/workloads.js";
import type { Goal, Row, Suite, SuiteOptions } from "./suite.js";

const execute = promisify(execFile);
const cellScript = fileURLToPath(new URL("./keyed/cell.js", import.meta.url));

const CONCURRENCY = 8192;
const LOOP: SubjectName = "unsafe loop";
/** Records of a cell that nothing but the machine limits: for a few seconds. */
const RECORDS = 160_000;
/** What a cell takes whose hottest key limits it. */
const LIMITED_SECONDS = 3;

const measure = async (request: KeyedRequest): Promise<KeyedCell> => {
  const { stdout } = await execute(process.execPath, [cellScript, JSON.stringify(request)], { timeout: 120_000 });
  return JSON.parse(stdout) as KeyedCell;
};

/** Records per second that order and concurrency allow, whatever the machine; infinite where nothing is waited for. */
const limitOf = (subject: SubjectName, workMs: number, { records, hottest }: KeyedTopic): number => {
  const open = subjects[subject].ordered ? Math.min(CONCURRENCY, records / hottest) : CONCURRENCY;
  return (open / workMs) * 1000;
};

interface Measured {
  readonly topic: KeyedTopic;
  readonly cells: KeyedCell[];
}

const toRow = (bench: KeyedBench, subject: SubjectName, { topic, cells }: Measured, loop?: Measured): Row => {
  const perSecond = median(cells.map((cell) => cell.perSecond));
  const limit = limitOf(subject, bench.workMs, topic);
  return {
    bench: bench.name,
    subject,
    perSecond,
    ...(loop && {
      ratioToLoop: median(cells.map((cell, round) => cell.perSecond / (loop.cells[round]?.perSecond ?? Number.NaN))),
    }),
    ...(Number.isFinite(limit) && { limitPerSecond: limit, ratioToLimit: perSecond / limit }),
    cpuMicrosPerElement: median(cells.map((cell) => cell.cpuMicrosPerRecord)),
  };
};

const runBench = async (bench: KeyedBench, topics: KeyedTopics, options: SuiteOptions): Promise<readonly Row[]> => {
  const records = options.quick ? RECORDS / 4 : RECORDS;
  const seconds = options.quick ? LIMITED_SECONDS / 2 : LIMITED_SECONDS;
  const rounds = options.quick ? 1 : 2;
  const measured = new Map<SubjectName, Measured>();
  for (const subject of bench.subjects) {
    const wanted = { ...bench.keys, records, inOrderMs: subjects[subject].ordered ? bench.workMs : 0, seconds };
    measured.set(subject, { topic: await topics.of(wanted), cells: [] });
  }
  const warmUp = await topics.of({ keys: 100_000, exponent: 0, records: 20_000, inOrderMs: 0, seconds });
  for (let round = 0; round < rounds; round++) {
    for (const subject of round % 2 === 0 ? bench.subjects : [...bench.subjects].reverse()) {
      options.progress(`${bench.name} ${subject} ${round + 1}/${rounds}`);
      const { topic, cells } = measured.get(subject) as Measured;
      const groupId = `bench-${process.pid}-${Date.now()}`;
      const { brokers } = topics;
      const request = { subject, brokers, groupId, concurrency: CONCURRENCY, workMs: bench.workMs, warmUp };
      cells.push(await measure({ ...request, topic: topic.topic, records: topic.records }));
    }
  }
  return bench.subjects.map((subject) => toRow(bench, subject, measured.get(subject) as Measured, measured.get(LOOP)));
};

const goals = (rows: readonly Row[]): readonly Goal[] => {
  const row = (bench: string, subject: SubjectName): Row | undefined =>
    rows.find((each) => each.bench === bench && each.subject === subject);
  const ofLoop = keyedBenches
    .filter(({ subjects: measured }) => measured.includes(LOOP))
    .map(({ name }) => ({
      goal: `${name}: rate of mapAsyncUnordered, of the unsafe loop's`,
      target: 0.8,
      atMost: false,
      measured: row(name, "mapAsyncUnordered")?.ratioToLoop,
    }));
  const fast = keyedBenches
    .filter(({ workMs, keys }) => workMs >= 10 && keys.exponent === 0)
    .flatMap(({ name }) =>
      (["mapAsyncUnordered", "mapAsyncPartitioned", "mapAsyncPartitionedUnordered"] as const).map((subject) => ({
        goal: `${name}: records per second of ${subject}`,
        target: 20_000,
        atMost: false,
        measured: row(name, subject)?.perSecond,
      })),
    );
  const ofLimit = keyedBenches
    .filter(({ workMs, keys }) => workMs >= 10 && keys.exponent > 0)
    .map(({ name }) => ({
      goal: `${name}: rate of mapAsyncPartitionedUnordered, of the limit or of 20 000 per second`,
      target: 0.8,
      atMost: false,
      measured: ofReach(row(name, "mapAsyncPartitionedUnordered")),
    }));
  return [...ofLoop, ...fast, ...ofLimit];
};

/** Where keys allow more than was promised, the promise counts. */
const ofReach = (row: Row | undefined): number | undefined =>
  row?.perSecond && row.perSecond / Math.min(20_000, row.limitPerSecond ?? Number.POSITIVE_INFINITY);

/** Work of 0 to 100 ms on each record, in order by key or in none, beside a loop that is not safe. */
export const suite: Suite = {
  benches: keyedBenches.map(({ name }) => name),
  async run(options) {
    await using kafka = await LocalKafka.start();
    const topics = new KeyedTopics(kafka, options.progress);
    const rows: Row[] = [];
    for (const bench of keyedBenches) {
      if (!options.only.includes(bench.name) || (options.quick && !bench.quick)) continue;
      rows.push(...(await runBench(bench, topics, options)));
    }
    return rows;
  },
  notes: [
    "uniform: 100 000 keys; zipf: exponent 1 over 100 000 keys; mild-zipf: exponent 0.5 over 100 000 keys; always the same sample",
    "limit: calls open at a time / work or, in order by key, records / (records of the hottest key x work)",
    `8 partitions, one process, ${CONCURRENCY} calls open at a time; maxInFlight ${MAX_IN_FLIGHT}, maxInFlightTotal ${MAX_IN_FLIGHT_TOTAL}, waiting ${MAX_WAITING}`,
  ],
  goals,
};
