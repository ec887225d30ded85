import type { Headers, PartitionRun, RecordChunk } from "../../client/port.js";
import type { BufferedRun } from "../partitions/fetched-chunk.js";

interface Part {
  readonly run: BufferedRun;
  /** The index here of its first record. */
  readonly start: number;
  /** Bytes that are not forgotten. */
  left: number;
}

const bytesBetween = (run: BufferedRun, from: number, to: number): number => {
  if (from === run.from && to === run.to) return run.bytes;
  let bytes = 0;
  for (let index = from; index < to; index++) bytes += run.fetched.chunk.bytes(index);
  return bytes;
};

/** Runs out of the chunks of a shared client as one chunk of their own. */
export class ViewChunk implements RecordChunk {
  readonly length: number;
  readonly #parts: readonly Part[];
  readonly #onGone: (part: number, bytes: number) => void;
  /** The part that was asked last: neighbours are asked one after the other. */
  #last = 0;
  #released = false;

  /** `onGone` gets the number of bytes of a run, by its index, that are not asked for again. */
  constructor(runs: readonly BufferedRun[], onGone: (part: number, bytes: number) => void) {
    let start = 0;
    this.#onGone = onGone;
    this.#parts = runs.map((run) => {
      const part = { run, start, left: run.bytes };
      start += run.to - run.from;
      return part;
    });
    this.length = start;
  }

  topic(index: number): string {
    return this.#partOf(index).run.topic;
  }

  partition(index: number): number {
    return this.#partOf(index).run.partition;
  }

  offset(index: number): number {
    const part = this.#partOf(index);
    return part.run.fetched.chunk.offset(index - part.start + part.run.from);
  }

  timestamp(index: number): number {
    const part = this.#partOf(index);
    return part.run.fetched.chunk.timestamp(index - part.start + part.run.from);
  }

  key(index: number): Buffer | null {
    const part = this.#partOf(index);
    return part.run.fetched.chunk.key(index - part.start + part.run.from);
  }

  value(index: number): Buffer | null {
    const part = this.#partOf(index);
    return part.run.fetched.chunk.value(index - part.start + part.run.from);
  }

  headers(index: number): Headers {
    const part = this.#partOf(index);
    return part.run.fetched.chunk.headers(index - part.start + part.run.from);
  }

  bytes(index: number): number {
    const part = this.#partOf(index);
    return part.run.fetched.chunk.bytes(index - part.start + part.run.from);
  }

  runs(): readonly PartitionRun[] {
    return this.#parts.map(({ run: { topic, partition, from, to, lastOffset, bytes }, start }) => ({
      topic,
      partition,
      from: start,
      to: start + to - from,
      lastOffset,
      bytes,
    }));
  }

  forget(from: number, to: number): void {
    for (const [at, { run, start }] of this.#parts.entries()) {
      const shift = run.from - start;
      const first = Math.max(from + shift, run.from);
      const last = Math.min(to + shift, run.to);
      if (first >= last) continue;
      this.#gone(at, bytesBetween(run, first, last));
      run.fetched.chunk.forget?.(first, last);
    }
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    for (const [at, { run, left }] of this.#parts.entries()) {
      this.#gone(at, left);
      run.fetched.done(run);
    }
  }

  #gone(at: number, bytes: number): void {
    (this.#parts[at] as Part).left -= bytes;
    this.#onGone(at, bytes);
  }

  #partOf(index: number): Part {
    const last = this.#parts[this.#last];
    if (last && index >= last.start && index < last.start + last.run.to - last.run.from && !this.#released) return last;
    const at = this.#released ? -1 : this.#parts.findLastIndex(({ start }) => start <= index);
    const part = this.#parts[at];
    if (!part || index >= this.length) {
      throw new RangeError(`Record ${index} is not in this chunk of ${this.length}, or the chunk was released.`);
    }
    this.#last = at;
    return part;
  }
}
