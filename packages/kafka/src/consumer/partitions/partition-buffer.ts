import { BufferedRuns } from "./buffered-runs.js";
import type { BufferedRun } from "./fetched-chunk.js";
import type { ReadPosition } from "./read-position.js";

/** Offsets of a run that was handed over: its first, and the one after its last. */
interface HandedOver {
  readonly from: number;
  readonly next: number;
}

/** Records of one partition that wait to be handed to the stream, and what has been handed over. */
export class PartitionBuffer {
  readonly #reading: ReadPosition;
  readonly #waiting = new BufferedRuns();
  #last: HandedOver | undefined;
  #beforeLast: HandedOver | undefined;
  #handedOver = 0;
  #putOff: "parking" | "waiting" | undefined;

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
  get last(): HandedOver | undefined {
    return this.#last;
  }

  /** The first that waits cannot be handed over yet. */
  get isPutOff(): boolean {
    return this.#putOff !== undefined;
  }

  /** Its dead letter is being written, which a crash would repeat. */
  get isParking(): boolean {
    return this.#putOff === "parking";
  }

  add(run: BufferedRun): void {
    this.#reading.saw(run.fetched.chunk.offset(run.from));
    this.#waiting.add(run);
  }

  /** The oldest waiting run, or as much of it as fits into `records` and `bytes`. */
  take(records: number, bytes?: number): BufferedRun | undefined {
    const run = this.#waiting.take(records, bytes);
    if (!run) return undefined;
    this.#beforeLast = this.#last;
    this.#last = { from: run.fetched.chunk.offset(run.from), next: run.lastOffset + 1 };
    this.#handedOver += run.to - run.from;
    return run;
  }

  /**
   * Of the run that was taken last, the record at `index` cannot be handed over yet: it and those behind it come first
   * again, after `goOn`. Those before it were read.
   */
  putOff(run: BufferedRun, index: number, why: "parking" | "waiting"): void {
    const { from, to, fetched } = run;
    const { chunk } = fetched;
    let bytes = run.bytes;
    for (let read = from; read < index; read++) bytes -= chunk.bytes(read);
    this.#waiting.giveBack({ ...run, from: index, bytes });
    this.#handedOver -= to - index;
    this.#last = index === from ? this.#beforeLast : { from: chunk.offset(from), next: chunk.offset(index - 1) + 1 };
    this.#putOff = why;
  }

  goOn(): void {
    this.#putOff = undefined;
  }

  /** Drops what waits, and what is read from now on; returns how many records waited. */
  drop(): number {
    const dropped = this.#waiting.drop();
    this.#reading.stop(dropped > 0);
    return dropped;
  }
}
