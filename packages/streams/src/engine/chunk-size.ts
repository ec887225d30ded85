import type { Run } from "./run.js";

/** Big enough to make the fixed cost of a chunk vanish, small enough to stay in cache and leave memory early. */
export const CHUNK_ELEMENTS = 512;

/** The first chunk: this many elements may be slow before anything is known of them. */
const FIRST_ELEMENTS = 8;

/** No chunk should take longer, nor longer than half a slice: nothing else has a turn before all stages are done with it. */
const SLOW_MS = 1;

/**
 * How many elements to hand over at a time, for a stage that has many: few at first, twice as many whenever the run was
 * quick with the last ones, and only what it can do in that time once it was slow; never more than a stage of the run
 * wants.
 */
export class ChunkSize {
  readonly #run: Run;
  readonly #max: number;
  #size: number;
  #handed = 0;
  #workedMs = Number.NaN;

  constructor(run: Run) {
    this.#run = run;
    this.#max = run.attributes.chunkElements ?? CHUNK_ELEMENTS;
    this.#size = Math.min(FIRST_ELEMENTS, this.#max);
  }

  /** How many of `available` elements to hand over now. */
  of(available: number): number {
    if (available === 1) return 1;
    const elements = Math.min(this.next(), available);
    this.gave(elements);
    return elements;
  }

  /** The most elements to hand over now; report how many it was, if any, by `gave`. */
  next(): number {
    const workedMs = this.#run.share.worked();
    const tookMs = workedMs - this.#workedMs;
    this.#workedMs = workedMs;
    const slowMs = Math.min(SLOW_MS, this.#run.share.sliceMs / 2);
    if (this.#handed > 0) this.#adapt(tookMs, slowMs);
    return Math.min(this.#size, this.#run.chunkLimit);
  }

  #adapt(tookMs: number, slowMs: number): void {
    if (tookMs > slowMs) this.#size = Math.max(1, Math.floor((this.#handed * slowMs) / tookMs));
    else if (tookMs < slowMs / 4) this.#size = Math.max(this.#size, Math.min(this.#handed * 2, this.#max));
    this.#handed = 0;
  }

  gave(elements: number): void {
    this.#handed = elements;
  }
}
