import { LocalKafka } from "@millrace/kafka-testkit";
import { PacedProducer } from "./clients/paced-producer.js";
import { BenchTopics } from "./clients/topics.js";
import { median } from "./engine/measure.js";
import type { EventLoopCell, EventLoopRequest } from "./event-loop/cell.js";
import { type SubjectName, subjectNames } from "./event-loop/subjects.js";
import { forkCell } from "./fork-cell.js";
import type { Goal, Row, Suite, SuiteOptions } from "./suite.js";

interface EventLoopBench {
  readonly name: string;
  /** In one process, each in a group of its own. */
  readonly consumers: number;
  /** Into the topic that all of them read. */
  readonly perSecond: number;
  /** Rows are about `fs.stat` rather than about the event loop. */
  readonly stat: boolean;
}

const TURNS = "turns";
const STAT_BENCHES = ["stat-idle", "stat-busy"];

const benches: readonly EventLoopBench[] = [
  { name: TURNS, consumers: 1, perSecond: 50_000, stat: false },
  { name: "stat-idle", consumers: 8, perSecond: 0, stat: true },
  { name: "stat-busy", consumers: 8, perSecond: 1_000, stat: true },
];

const SHAPE = { partitions: 8, size: 100 };
const WARM_UP_MS = 2_000;
const FOR_MS = 10_000;

const script = new URL("./event-loop/cell.js", import.meta.url);

const measure = async (
  topics: BenchTopics,
  { name, consumers, perSecond }: EventLoopBench,
  subject: SubjectName,
  forMs: number,
): Promise<EventLoopCell> => {
  const topic = await topics.empty(SHAPE);
  const groupIds = Array.from({ length: consumers }, () => topics.name("group"));
  const request = { subject, brokers: topics.brokers, topic, groupIds, warmUpMs: WARM_UP_MS, forMs };
  const producer = new PacedProducer(topics.brokers, topic, SHAPE);
  let reads = false;
  const cell = forkCell<EventLoopRequest, EventLoopCell>(script, `${name}, ${subject}`, request, () => (reads = true));
  try {
    // A second more than is measured, so that it does not end before.
    const records = perSecond * ((WARM_UP_MS + forMs) / 1000 + 1);
    await Promise.race([producer.run(Math.max(perSecond, 1), records, () => reads), cell]);
    return await cell;
  } finally {
    await producer.close();
    await topics.remove(topic);
  }
};

const toRow = (bench: EventLoopBench, subject: SubjectName, cells: readonly EventLoopCell[]): Row => {
  const of = (pick: (cell: EventLoopCell) => number): number => median(cells.map(pick));
  const own = cells.flatMap(({ turns }) => turns.longestOwnMs ?? []);
  const work = cells.flatMap(({ turns }) => turns.longestWorkMs ?? []);
  const { nativeCall } = cells[0] ?? {};
  const base = { bench: bench.name, subject, perSecond: of((cell) => cell.perSecond) };
  if (bench.stat) {
    return {
      ...base,
      p50Ms: of(({ stat }) => stat.p50Ms),
      p99Ms: of(({ stat }) => stat.p99Ms),
      maxMs: of(({ stat }) => stat.maxMs),
    };
  }
  return {
    ...base,
    p99Ms: of(({ turns }) => turns.p99Ms),
    maxMs: of(({ turns }) => turns.maxMs),
    ...(own.length > 0 && { longestStallMs: median(own), longestWorkMs: median(work) }),
    longestGcMs: of(({ turns }) => turns.longestGcMs),
    ...(nativeCall && { note: `longest native call: ${nativeCall[0]}, ${nativeCall[1].toFixed(2)} ms` }),
  };
};

const goals = (rows: readonly Row[]): readonly Goal[] => {
  const of = (bench: string, subject: SubjectName): Row | undefined =>
    rows.find((row) => row.bench === bench && row.subject === subject);
  const ratio = (ours: number | undefined, theirs: number | undefined): number | undefined =>
    ours === undefined || theirs === undefined ? undefined : ours / theirs;
  return (["millrace", "millrace, with context"] as const).flatMap((name) => [
    {
      goal: `${TURNS}: most work of ${name} in one go at 50 000 records/s, ms`,
      target: 10,
      atMost: true,
      measured: of(TURNS, name)?.longestWorkMs,
    },
    {
      goal: `${TURNS}: longest stall of ${name} at 50 000 records/s, ms`,
      target: 10,
      atMost: true,
      measured: of(TURNS, name)?.longestStallMs ?? of(TURNS, name)?.maxMs,
    },
    ...STAT_BENCHES.flatMap((bench) => [
      {
        goal: `${bench}: p99 of fs.stat beside eight of ${name}, ms`,
        target: 10,
        atMost: true,
        measured: of(bench, name)?.p99Ms,
      },
      {
        goal: `${bench}: the same, of the p99 beside eight node-rdkafka loops`,
        target: 0.1,
        atMost: true,
        measured: ratio(of(bench, name)?.p99Ms, of(bench, "node-rdkafka loop")?.p99Ms),
      },
    ]),
  ]);
};

/** How long consumers hold the event loop, and libuv's threads. */
export const suite: Suite = {
  benches: benches.map(({ name }) => name),
  notes: [
    "turns: one consumer of a topic into which 50 000 records/s come, committing; delays of the event loop beyond 1 ms, as perf_hooks sees them; the longest stall is without what the thread waited for a processor, which the machine owes, and the longest work is what it ran between two looks at the clock.",
    "stat-idle, stat-busy: latency of fs.stat beside eight consumers in one process; nothing comes, or 1 000 records/s for each of them.",
    "node-rdkafka loop: consume(1000) with the timeout that it has by default. idle: no consumer.",
  ],
  async run(options: SuiteOptions) {
    await using kafka = await LocalKafka.start();
    const topics = new BenchTopics(kafka);
    const rows: Row[] = [];
    const rounds = options.rounds ?? (options.quick ? 1 : 3);
    for (const bench of benches.filter(({ name }) => options.only.includes(name))) {
      const cells = new Map<SubjectName, EventLoopCell[]>(subjectNames.map((subject) => [subject, []]));
      for (let round = 0; round < rounds; round++) {
        for (const subject of round % 2 === 0 ? subjectNames : [...subjectNames].reverse()) {
          options.progress(`${bench.name}: ${subject} ${round + 1}/${rounds}`);
          cells.get(subject)?.push(await measure(topics, bench, subject, options.quick ? FOR_MS / 2 : FOR_MS));
        }
      }
      rows.push(...subjectNames.map((subject) => toRow(bench, subject, cells.get(subject) ?? [])));
    }
    return rows;
  },
  goals,
};
