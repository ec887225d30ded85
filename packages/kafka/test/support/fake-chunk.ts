import { runsOf } from "../../src/client/runs-of.js";
import type { Headers, PartitionRun, RecordChunk } from "../../src/client/port.js";

/** A record as a test writes it; text stands for its UTF-8 bytes. */
export interface FakeRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key?: string | null;
  readonly value?: string | Buffer | null;
  readonly headers?: Headers;
  readonly timestamp?: number;
}

const bytesOf = (value: string | Buffer | null | undefined): Buffer | null =>
  typeof value === "string" ? Buffer.from(value) : (value ?? null);

/** Records as a client hands them over; `released` tells whether a stage has let go of them. */
export class FakeChunk implements RecordChunk {
  readonly #records: readonly FakeRecord[];
  readonly #forgotten = new Set<number>();
  released = false;

  constructor(records: readonly FakeRecord[]) {
    this.#records = records;
  }

  get length(): number {
    return this.#records.length;
  }

  #at(index: number): FakeRecord {
    const record = this.#records[index];
    if (!record || this.released || this.#forgotten.has(index)) {
      throw new RangeError(`no record ${index}, or it was forgotten, or the chunk was released`);
    }
    return record;
  }

  topic(index: number): string {
    return this.#at(index).topic;
  }
  partition(index: number): number {
    return this.#at(index).partition;
  }
  offset(index: number): number {
    return this.#at(index).offset;
  }
  timestamp(index: number): number {
    return this.#at(index).timestamp ?? -1;
  }
  key(index: number): Buffer | null {
    return bytesOf(this.#at(index).key);
  }
  value(index: number): Buffer | null {
    return bytesOf(this.#at(index).value);
  }
  headers(index: number): Headers {
    return this.#at(index).headers ?? [];
  }

  bytes(index: number): number {
    const headers = this.headers(index).reduce((sum, [name, value]) => sum + name.length + (value?.length ?? 0), 0);
    return (this.key(index)?.length ?? 0) + (this.value(index)?.length ?? 0) + headers;
  }

  runs(): readonly PartitionRun[] {
    return runsOf(this);
  }

  forget(from: number, to: number): void {
    for (let index = from; index < to; index++) this.#forgotten.add(index);
  }

  release(): void {
    this.released = true;
  }
}

/** `count` records of one partition from `from` on, their values `v<offset>`. */
export const records = (topic: string, partition: number, from: number, count: number): FakeRecord[] =>
  Array.from({ length: count }, (_, index) => ({
    topic,
    partition,
    offset: from + index,
    key: `k${from + index}`,
    value: `v${from + index}`,
  }));
