import type { Life } from "./life.js";
import type { Sample } from "./protocol.js";
import { fitLine, gainOf, type Line, type Point } from "./slope.js";

const MINUTE_MS = 60_000;
const MB = 1024 * 1024;
/** Compilation and buffers that fill are no leak. */
const WARM_UP_MS = MINUTE_MS;
/** A shorter life says little: its noise has a slope too. */
const LEAST_LIFE_MS = 5 * MINUTE_MS;
/** Even to be shown. */
const LEAST_SPAN_MINUTES = 1;
const LEAST_RUN_MS = 10 * MINUTE_MS;

/** Most growth per minute, in MB, and most loss of rate over a whole run, as a part of it. */
export const LIMITS = { heap: 0.5, outside: 2, rate: 0.1 } as const;

export interface LifeSlopes {
  readonly life: Life;
  readonly minutes: number;
  readonly heap: Line;
  /** Resident memory outside of the heap; undefined where too little of it was calm. */
  readonly outside: Line | undefined;
  /** In MB, when it was looked at last. */
  readonly rss: number;
  /** CPU time per delivered record, in µs. */
  readonly cpuPerRecord: number;
  readonly isLongEnough: boolean;
}

const lineOf = (life: Life, since: number, valueOf: (sample: Sample) => number): Line | undefined =>
  fitLine(
    life.samples
      .filter(({ at }) => at >= since && at - life.startedAt >= WARM_UP_MS)
      .map((sample): Point => ({ x: (sample.at - life.startedAt) / MINUTE_MS, y: valueOf(sample) })),
  );

/**
 * Growth of the lives that can tell something about it, longest first, in MB per minute: of what lives in the heap over the whole
 * life; of resident memory outside of the heap since all is calm, because what is caught up with after a fault waits there. The
 * room that the collector takes for the heap is in neither: a step of 20 MB would look like a leak for ten minutes.
 */
export const slopesOf = (lives: readonly Life[], calmFrom: number): readonly LifeSlopes[] =>
  lives
    .flatMap((life): LifeSlopes[] => {
      const heap = lineOf(life, life.startedAt, ({ heapBytes }) => heapBytes / MB);
      const outside = lineOf(life, calmFrom, ({ rssBytes, heapTotalBytes }) => (rssBytes - heapTotalBytes) / MB);
      const [first, last] = [life.samples[0], life.samples.at(-1)];
      if (heap === undefined || first === undefined || last === undefined) return [];
      if (heap.span < LEAST_SPAN_MINUTES) return [];
      const lived = last.at - life.startedAt;
      const delivered = Math.max(1, last.delivered - first.delivered);
      const cpuPerRecord = (1000 * (last.cpuMs - first.cpuMs)) / delivered;
      const isCalm = outside !== undefined && outside.span * MINUTE_MS >= LEAST_LIFE_MS - WARM_UP_MS;
      const memory = { heap, outside: isCalm ? outside : undefined, rss: last.rssBytes / MB };
      return [{ life, minutes: lived / MINUTE_MS, ...memory, cpuPerRecord, isLongEnough: lived >= LEAST_LIFE_MS }];
    })
    .sort((left, right) => right.minutes - left.minutes);

/** The part of its rate that a run has gained (or, negative, lost) from beginning to end; undefined when too short. */
export const rateGain = (
  rates: readonly Point[],
): { readonly gain: number; readonly isLongEnough: boolean } | undefined => {
  const line = fitLine(rates);
  if (line === undefined || line.mean === 0) return undefined;
  return { gain: gainOf(line) / line.mean, isLongEnough: line.span * MINUTE_MS >= LEAST_RUN_MS - WARM_UP_MS };
};
