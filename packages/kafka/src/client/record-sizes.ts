import type { RecordChunk } from "./port.js";

/**
 * How many records fit where there is room for so many bytes, for who cannot ask for bytes. It goes by the mean of the last
 * ones, at once where that is larger than before, by and by where it is smaller.
 */
export class RecordSizes {
  #mean: number;

  /** `first` is what a record is taken for before any was seen. */
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

  /** One at least: there may be none that is smaller. */
  fitting(bytes: number): number {
    return Math.max(1, Math.floor(bytes / Math.max(1, this.#mean)));
  }
}

/** The most that brokers take unless they are told otherwise. */
export const LARGEST_BY_DEFAULT: number = 2 ** 20;
