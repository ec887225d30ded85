import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { LocalKafka } from "@millrace/kafka-testkit";
import type { CopyCell, CopyRequest } from "./copy/cell.js";
import { subjects } from "./copy/subjects.js";
import { fillTopic, orders } from "./copy/topic.js";
import { median } from "./engine/measure.js";
import type { Row, Suite, SuiteOptions } from "./suite.js";

const execute = promisify(execFile);
const cellScript = fileURLToPath(new URL("./copy/cell.js", import.meta.url));

const PARTITIONS = 8;
const EXPLICIT = "millrace";
const FOLLOWED = "millrace, with context";
const LOOP = "node-rdkafka loop";

const measure = async (request: CopyRequest): Promise<CopyCell> => {
  const { stdout } = await execute(process.execPath, [cellScript, JSON.stringify(request)], { timeout: 300_000 });
  return JSON.parse(stdout) as CopyCell;
};

/** Ratios are taken round by round: what disturbed a round disturbed both. */
const ratioOf = (cells: readonly CopyCell[], to: readonly CopyCell[]): number =>
  median(cells.map((cell, round) => cell.perSecond / (to[round]?.perSecond ?? Number.NaN)));

const toRow = (subject: string, all: ReadonlyMap<string, readonly CopyCell[]>): Row => {
  const cells = all.get(subject) ?? [];
  return {
    bench: "copy",
    subject,
    perSecond: median(cells.map((cell) => cell.perSecond)),
    ratioToLoop: ratioOf(cells, all.get(LOOP) ?? []),
    ...(subject === FOLLOWED && { ratioToExplicit: ratioOf(cells, all.get(EXPLICIT) ?? []) }),
    cpuMicrosPerElement: median(cells.map((cell) => cell.cpuMicrosPerRecord)),
  };
};

const run = async (options: SuiteOptions): Promise<readonly Row[]> => {
  const records = options.quick ? 120_000 : 400_000;
  const rounds = options.quick ? 2 : 5;
  await using kafka = await LocalKafka.start();
  const suffix = `${process.pid}-${Date.now()}`;
  const [from, to] = [`bench-from-${suffix}`, `bench-to-${suffix}`];
  for (const topic of [from, to]) await kafka.createTopic(topic, { partitions: PARTITIONS });
  options.progress(`copy: filling a topic of ${kafka.description}`);
  await fillTopic(kafka.brokers, records, orders(from, PARTITIONS));

  const names = Object.keys(subjects);
  const cells = new Map<string, CopyCell[]>(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const subject of round % 2 === 0 ? names : [...names].reverse()) {
      options.progress(`copy ${subject} ${round + 1}/${rounds}`);
      const groupId = `bench-${suffix}-${round}-${subject.replaceAll(" ", "-")}`;
      const request = { subject, brokers: kafka.brokers, groupId, from, to, records, warmUp: records / 4 };
      cells.get(subject)?.push(await measure(request));
    }
  }
  return names.map((name) => toRow(name, cells));
};

/** Topic to topic on a real broker; `KAFKA_BOOTSTRAP_SERVERS` names one, else a local one is started. */
export const suite: Suite = {
  benches: ["copy"],
  run,
  goals: (rows) => [
    {
      goal: "copy: rate, of the raw node-rdkafka loop's",
      target: 0.8,
      atMost: false,
      measured: rows.find(({ subject }) => subject === EXPLICIT)?.ratioToLoop,
    },
    {
      goal: "copy: rate of the surface with context, of that with offsets's",
      target: 0.85,
      atMost: false,
      measured: rows.find(({ subject }) => subject === FOLLOWED)?.ratioToExplicit,
    },
  ],
};
