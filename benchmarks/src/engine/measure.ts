import { PERIOD } from "./data.js";
import { pipelineNames, prepare, type PipelineName, type Subject, type Sum } from "./pipelines.js";
import { measured, others, type UserFunctions } from "./user-functions.js";

/** What one process found out about one implementation and one bench. */
export interface Cell {
  /** Of one period of elements; equal for every implementation. */
  readonly checksum: number;
  readonly nsPerElement: number;
  readonly longestStallMs?: number;
  readonly microsPerRun?: number;
}

export interface Effort {
  /** A timed run takes about this long: shorter than what a busy machine grants at a time. */
  readonly runMs: number;
  readonly runs: number;
  /** How long the pipeline runs before it is timed. */
  readonly warmUpMs: number;
}

const MAX_PERIODS = 512;

const quantile = (values: readonly number[], part: number): number => {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.floor(sorted.length * part)] ?? Number.NaN;
};

export const median = (values: readonly number[]): number => quantile(values, 1 / 2);

/** Of many short runs the faster ones count: what else the machine does makes runs slower, and never faster. */
const undisturbed = (times: readonly number[]): number => quantile(times, 1 / 4);

const elapsed = async (run: () => Sum, expected: number): Promise<number> => {
  const start = performance.now();
  const sum = await run();
  const ms = performance.now() - start;
  if (sum !== expected) throw new Error(`checksum ${sum}, expected ${expected}`);
  return ms;
};

const required = (subject: Subject, pipeline: PipelineName, count: number, user: UserFunctions): (() => Sum) => {
  const run = prepare(subject, pipeline, count, user);
  if (!run) throw new Error(`not written for this implementation: ${pipeline}`);
  return run;
};

/** Runs every pipeline with other functions, several times, so that shared call sites and hidden classes have seen many. */
const pollute = async (subject: Subject): Promise<void> => {
  for (let round = 0; round < 3; round++) {
    for (const user of others) {
      for (const pipeline of pipelineNames) await prepare(subject, pipeline, 2 * PERIOD, user)?.();
    }
  }
};

interface Sized {
  readonly checksum: number;
  readonly count: number;
  readonly expected: number;
  readonly run: () => Sum;
}

/** Warms up with ever longer runs until one is long enough to time. */
const warmUp = async (subject: Subject, pipeline: PipelineName, runMs: number, warmUpMs: number): Promise<Sized> => {
  const checksum = await required(subject, pipeline, PERIOD, measured)();
  const warm = performance.now() + warmUpMs;
  for (let periods = 1; ; periods *= 2) {
    const count = periods * PERIOD;
    const expected = Math.imul(periods, checksum);
    const run = required(subject, pipeline, count, measured);
    let ms = 0;
    for (let repeat = 0; repeat < 3; repeat++) ms = await elapsed(run, expected);
    if (ms < runMs / 2 && periods < MAX_PERIODS) continue;
    while (performance.now() < warm) await elapsed(run, expected);
    return { checksum, count, expected, run };
  }
};

export const measurePipeline = async (
  subject: Subject,
  pipeline: PipelineName,
  polluted: boolean,
  effort: Effort,
): Promise<Cell> => {
  if (polluted) await pollute(subject);
  const { checksum, count, expected, run } = await warmUp(subject, pipeline, effort.runMs, effort.warmUpMs);
  const times: number[] = [];
  for (let repeat = 0; repeat < effort.runs; repeat++) {
    times.push(await elapsed(run, expected));
  }
  return { checksum, nsPerElement: (undisturbed(times) / count) * 1e6 };
};

const STALL_RUN_MS = 200;
const STALL_RUNS = 5;

/** Floods the implementation with elements it can handle at once, and watches from the event loop. */
export const measureStall = async (subject: Subject, polluted: boolean, effort: Effort): Promise<Cell> => {
  if (polluted) await pollute(subject);
  const { checksum, count, expected, run } = await warmUp(subject, "map-filter-map", STALL_RUN_MS, effort.warmUpMs);
  const stalls: number[] = [];
  const times: number[] = [];
  for (let repeat = 0; repeat < STALL_RUNS; repeat++) {
    let longest = 0;
    let last = performance.now();
    let probe = setImmediate(function look() {
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
      probe = setImmediate(look);
    });
    times.push(await elapsed(run, expected));
    longest = Math.max(longest, performance.now() - last);
    clearImmediate(probe);
    stalls.push(longest);
  }
  // The least of several runs: what the implementation causes comes back in every run, what the machine adds does not.
  return { checksum, nsPerElement: (undisturbed(times) / count) * 1e6, longestStallMs: Math.min(...stalls) };
};

const START_UP_ELEMENTS = 10;
const START_UP_RUNS = 500;

/** Builds and runs the same short stream again and again. */
export const measureStartUp = async (subject: Subject, polluted: boolean, effort: Effort): Promise<Cell> => {
  if (polluted) await pollute(subject);
  const build = required(subject, "map-filter-map", START_UP_ELEMENTS, measured);
  const checksum = await build();
  const times: number[] = [];
  const warm = performance.now() + effort.warmUpMs;
  while (times.length < effort.runs) {
    const start = performance.now();
    for (let run = 0; run < START_UP_RUNS; run++) await build();
    if (start > warm) times.push(((performance.now() - start) / START_UP_RUNS) * 1000);
  }
  const micros = undisturbed(times);
  return { checksum, nsPerElement: (micros * 1000) / START_UP_ELEMENTS, microsPerRun: micros };
};
