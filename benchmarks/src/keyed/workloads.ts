import type { KeyDistribution } from "./keys.js";
import type { SubjectName } from "./subjects.js";

export interface KeyedBench {
  readonly name: string;
  readonly keys: KeyDistribution;
  readonly workMs: number;
  readonly subjects: readonly SubjectName[];
  /** Also measured with `--quick`. */
  readonly quick: boolean;
}

const WORK_MS = [0, 1, 10, 100];
const KEYS = 100_000;

const inOrder: readonly SubjectName[] = ["mapAsyncPartitioned", "mapAsyncPartitionedUnordered"];
const all: readonly SubjectName[] = ["unsafe loop", "mapAsyncUnordered", ...inOrder];

/** By key distribution; an implementation that keeps no order does not look at keys, so that once is enough. */
export const keyedBenches: readonly KeyedBench[] = [
  ...WORK_MS.map((workMs) => ({
    name: `uniform-${workMs}ms`,
    keys: { keys: KEYS, exponent: 0 },
    workMs,
    subjects: all,
    quick: workMs === 10,
  })),
  ...WORK_MS.map((workMs) => ({
    name: `zipf-${workMs}ms`,
    keys: { keys: KEYS, exponent: 1 },
    workMs,
    subjects: all,
    quick: false,
  })),
  ...[10, 100].map((workMs) => ({
    name: `mild-zipf-${workMs}ms`,
    keys: { keys: KEYS, exponent: 0.5 },
    workMs,
    subjects: inOrder,
    quick: false,
  })),
];
