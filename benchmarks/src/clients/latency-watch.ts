import { sharedClockMs } from "./records.js";

export interface Latencies {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** How long records took from being sent to having been worked on. */
export class LatencyWatch {
  readonly #warmUp: number;
  #seen = 0;
  readonly ms: number[] = [];

  constructor(warmUp: number) {
    this.#warmUp = warmUp;
  }

  add(sentMs: number): void {
    if (++this.#seen > this.#warmUp) this.ms.push(sharedClockMs() - sentMs);
  }
}

export const spread = (ms: readonly number[]): Latencies => {
  const sorted = Float64Array.from(ms).sort();
  const at = (part: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
  return { p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
};
