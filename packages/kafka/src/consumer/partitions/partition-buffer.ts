import { BufferedRuns } from "./buffered-runs.js";
import type { BufferedRun } from "./fetched-chunk.js";
import type { ReadPosition } from "./read-position.js";

/** Records of one partition that wait to be handed to the stream, and what has been handed over. */
export class PartitionBuffer {
  readonly #reading: ReadPosition;
  readonly #waiting = new BufferedRuns();
  #last: { readonly from: number; readonly next: number } | undefined;
  #handedOver = 0;

  constructor(reading: ReadPosition) {
    this.#reading = reading;
  }

  /** Records that wait. */
  get records(): number {
    return this.#waiting.records;
  }

  /** Keys, values and headers of those. */
  get bytes(): number {
    return this.#waiting.bytes;
  }

  /** Records handed over. */
  get handedOver(): number {
    return this.#handedOver;
  }

  /** The first offset of the chunk that was handed over last, and the one after its last. */
  get last(): { readonly from: number; readonly next: number } | undefined {
    return this.#last;
  }

  add(run: BufferedRun): void {
    this.#reading.saw(run.fetched.chunk.offset(run.from));
    this.#waiting.add(run);
  }

  /** The oldest waiting run, or as much of it as fits into `records` and `bytes`. */
  take(records: number, bytes?: number): BufferedRun | undefined {
    const run = this.#waiting.take(records, bytes);
    if (!run) return undefined;
    this.#last = { from: run.fetched.chunk.offset(run.from), next: run.lastOffset + 1 };
    this.#handedOver += run.to - run.from;
    return run;
  }

  /** Drops what waits, and what is read from now on; returns how many records waited. */
  drop(): number {
    const dropped = this.#waiting.drop();
    this.#reading.stop(dropped > 0);
    return dropped;
  }
}
