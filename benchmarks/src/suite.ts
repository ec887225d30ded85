/** One measurement. At most one of `nsPerElement` and `perSecond` is there, except where a suite adds figures of its own. */
export interface Row {
  readonly bench: string;
  /** Name of the implementation: `millrace` is ours, `loop` the floor. */
  readonly subject: string;
  readonly nsPerElement?: number;
  readonly perSecond?: number;
  /** Rate divided by the loop's rate in the same bench. */
  readonly ratioToLoop?: number;
  /** Rate with context divided by that with offsets's. */
  readonly ratioToExplicit?: number;
  /** Records that the keys, and the calls open at a time, allow per second at most: nothing can be faster and keep order. */
  readonly limitPerSecond?: number;
  /** Rate divided by that. */
  readonly ratioToLimit?: number;
  /** Processor time of the whole process, native threads included, per element. */
  readonly cpuMicrosPerElement?: number;
  /** Longest time, in milliseconds, for which the event loop stood still. */
  readonly longestStallMs?: number;
  /** The most that the main thread worked in one go. */
  readonly longestWorkMs?: number;
  /** Longest pause of the garbage collector. */
  readonly longestGcMs?: number;
  /** Microseconds to build and run one small stream. */
  readonly microsPerRun?: number;
  /** Memory for each record in flight, on the heap and beside it. */
  readonly bytesPerRecord?: number;
  /** Processor time of the whole process, native threads included. */
  readonly cpuSecondsPerMillion?: number;
  /** Latencies, or delays, as the suite says. */
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  readonly maxMs?: number;
  readonly peakRssMb?: number;
  readonly peakHeapMb?: number;
  /** What a reader of the row has to know: how it is safe, why it has no figures. */
  readonly note?: string;
  /** It did not do what it was to do: the whole run counts as failed. */
  readonly failed?: boolean;
}

/** A promise about the rows; `measured` is absent when the rows it needs were not asked for. */
export interface Goal {
  readonly goal: string;
  readonly target: number;
  readonly atMost: boolean;
  readonly measured: number | undefined;
}

export interface SuiteOptions {
  /** Benches to run. */
  readonly only: readonly string[];
  /** Run unrelated pipelines first in the same process, as every real application does. */
  readonly polluted: boolean;
  /** Fewer and shorter runs, for CI. */
  readonly quick: boolean;
  /** All that there is to measure, however long it takes. */
  readonly full: boolean;
  /** Rounds of each bench; absent: as the suite thinks right. */
  readonly rounds?: number | undefined;
  /** For suites that have them: implementations, bytes of a record and partitions to choose; absent: those by default. */
  readonly subjects?: readonly string[] | undefined;
  readonly sizes?: readonly number[] | undefined;
  readonly partitions?: readonly number[] | undefined;
  /** Tells what is being done, for whoever waits. */
  readonly progress: (text: string) => void;
}

/** What a file `<subject>.bench.ts` exports under the name `suite`. */
export interface Suite {
  readonly benches: readonly string[];
  /** What a reader of the figures has to know: sizes, settings. */
  readonly notes?: readonly string[];
  run(options: SuiteOptions): Promise<readonly Row[]>;
  goals(rows: readonly Row[]): readonly Goal[];
}

export const holds = (goal: Goal): boolean | undefined => {
  if (goal.measured === undefined) return undefined;
  return goal.atMost ? goal.measured <= goal.target : goal.measured >= goal.target;
};
