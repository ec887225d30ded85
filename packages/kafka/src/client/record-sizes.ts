import type { RecordChunk } from "./port.js";

/**
 * How many records fit a number of bytes, for clients that cannot be asked for bytes. It uses the mean of the last
 * ones: a larger mean counts at once, a smaller one gradually.
 */
export class RecordSizes {
  #mean: number;

  /** `first` is the size assumed before any record was seen. */
  constructor(first: number) {
    this.#mean = first;
  }

  get mean(): number {
    return this.#mean;
  }

  saw(records: number, bytes: number): void {
    this.#mean = Math.max(bytes / records, this.#mean / 2);
  }

  sawChunk(chunk: RecordChunk): void {
    let bytes = 0;
    for (const run of chunk.runs()) bytes += run.bytes;
    this.saw(chunk.length, bytes);
  }

  /** At least one: there may be no smaller record. */
  fitting(bytes: number): number {
    return Math.max(1, Math.floor(bytes / Math.max(1, this.#mean)));
  }
}

/** The largest record that brokers accept by default. */
export const LARGEST_BY_DEFAULT: number = 2 ** 20;
