import type { PipelineName, Sample } from "./protocol.js";

/** - `drained`: ended with exit code 0 after SIGTERM. `failed`: any other end that nobody asked for, or not in that way. */
type Ending = "killed" | "drained" | "failed";

export interface Interval {
  readonly from: number;
  /** Infinity while it lasts. */
  readonly until: number;
}

/** One worker process from start to end. */
export interface Life {
  readonly number: number;
  readonly slot: number;
  readonly pipeline: PipelineName;
  readonly startedAt: number;
  readonly samples: Sample[];
  /** When it was frozen by SIGSTOP. */
  readonly stalls: Interval[];
  /** When it first said something: it is up. */
  heardAt: number | undefined;
  delivered: number;
  /** When `delivered` was last seen to grow. */
  progressAt: number;
  /** When it was asked to drain. */
  drainAt: number | undefined;
  ended: { readonly at: number; readonly how: Ending; readonly text: string } | undefined;
}

/** How long after it was woken, or after its broker came back, a process may not know yet that it lost its partitions. */
export const WAKING_MS = 10_000;

export const within = (at: number, intervals: readonly Interval[], graceMs: number): boolean =>
  intervals.some(({ from, until }) => at >= from && at <= until + graceMs);
