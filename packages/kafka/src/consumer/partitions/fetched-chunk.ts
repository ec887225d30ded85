import type { PartitionRun, RecordChunk } from "../../client/port.js";

/** A fetched chunk that is released once every run of it was read or dropped. */
export class FetchedChunk {
  readonly chunk: RecordChunk;
  #runs: number;

  constructor(chunk: RecordChunk, runs: number) {
    this.chunk = chunk;
    this.#runs = runs;
    if (runs === 0) chunk.release();
  }

  /** One of its runs is delivered in two parts. */
  split(): void {
    this.#runs += 1;
  }

  /** This run is not read again. With `inUse` its records are still in the stream, so the chunk is kept. */
  done({ from, to }: Pick<PartitionRun, "from" | "to">, inUse = false): void {
    if (!inUse) this.#runs -= 1;
    if (this.#runs === 0) this.chunk.release();
    else this.chunk.forget?.(from, to);
  }
}

/** Neighbouring records of one partition that wait to be delivered. */
export interface BufferedRun extends PartitionRun {
  readonly fetched: FetchedChunk;
}
