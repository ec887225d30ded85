import type { Goal, Row } from "../suite.js";
import type { ClientName } from "./clients.js";

export const LOOP: ClientName = "node-rdkafka loop";
const PLAIN_LOOP: ClientName = "node-rdkafka as it comes";

const OURS: readonly string[] = ["millrace", "millrace, with context"] satisfies ClientName[];
/** Loops written by hand over the same native client are the floor, not peers. */
const PEERS: readonly string[] = ["kafkajs", "platformatic", "confluent eachBatch"] satisfies ClientName[];

const best = (values: readonly (number | undefined)[], pick: (...values: number[]) => number): number | undefined => {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : pick(...known);
};

const ratio = (ours: number | undefined, theirs: number | undefined): number | undefined =>
  ours === undefined || theirs === undefined ? undefined : ours / theirs;

const goalsOf = (bench: string, rows: readonly Row[]): readonly Goal[] => {
  const own = rows.filter((row) => row.bench === bench);
  const of = (subject: string): Row | undefined => own.find((row) => row.subject === subject);
  const peers = own.filter(({ subject }) => PEERS.includes(subject));
  const others = own.filter(({ subject }) => !OURS.includes(subject));
  const goal = (text: string, target: number, atMost: boolean, measured: number | undefined): Goal => ({
    goal: `${bench}: ${text}`,
    target,
    atMost,
    measured,
  });
  if (bench.startsWith("latency")) {
    const theirs = best(
      others.map(({ p99Ms }) => p99Ms),
      Math.min,
    );
    return OURS.map((name) => goal(`p99 of ${name}, of the best other's`, 1, true, ratio(of(name)?.p99Ms, theirs)));
  }
  const target = bench.startsWith("copy") ? 0.9 : 0.95;
  if (!bench.startsWith("copy") && !bench.startsWith("commit")) return [];
  const fastest = best(
    peers.map(({ perSecond }) => perSecond),
    Math.max,
  );
  // As ratios, so that they stay those of single rounds.
  const loops = best([of(LOOP)?.ratioToLoop, of(PLAIN_LOOP)?.ratioToLoop], Math.max);
  return [
    ...OURS.map((name) =>
      goal(`rate of ${name}, of the better node-rdkafka loop's`, target, false, ratio(of(name)?.ratioToLoop, loops)),
    ),
    ...OURS.map((name) =>
      goal(`rate of ${name}, of the fastest peer's`, 1, false, ratio(of(name)?.perSecond, fastest)),
    ),
  ];
};

export const clientGoals = (rows: readonly Row[]): readonly Goal[] =>
  [...new Set(rows.map(({ bench }) => bench))].flatMap((bench) => goalsOf(bench, rows));
