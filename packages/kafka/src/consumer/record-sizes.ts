import type { RecordChunk } from "../client/port.js";

/** What a record is taken for before any was seen: the most that brokers take unless they are told otherwise. */
const FIRST_BYTES = 2 ** 20;

/**
 * How many records to ask for where there is room for so many bytes. Nobody can ask for bytes: it goes by the mean of the
 * last read, at once where that is larger than before, by and by where it is smaller.
 */
export class RecordSizes {
  #mean = FIRST_BYTES;

  get mean(): number {
    return this.#mean;
  }

  saw(chunk: RecordChunk): void {
    let bytes = 0;
    for (const run of chunk.runs()) bytes += run.bytes;
    this.#mean = Math.max(bytes / chunk.length, this.#mean / 2);
  }

  /** One at least: there may be none that is smaller. */
  fitting(bytes: number): number {
    return Math.max(1, Math.floor(bytes / Math.max(1, this.#mean)));
  }
}
