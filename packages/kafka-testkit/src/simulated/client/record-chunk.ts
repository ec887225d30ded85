import { type Headers, type PartitionRun, type RecordChunk, runsOf } from "@millrace/kafka";
import type { StoredRecord } from "../broker/log.js";

/** Fetched records. Reading one after `release` throws, as a driver with an arena would hand out garbage. */
export class SimulatedChunk implements RecordChunk {
  readonly length: number;
  #records: (StoredRecord | undefined)[];
  readonly #runs: readonly PartitionRun[];

  constructor(records: readonly StoredRecord[]) {
    this.length = records.length;
    this.#records = [...records];
    this.#runs = runsOf(this);
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
    return this.#at(index).timestamp;
  }

  key(index: number): Buffer | null {
    return this.#at(index).key;
  }

  value(index: number): Buffer | null {
    return this.#at(index).value;
  }

  headers(index: number): Headers {
    return this.#at(index).headers;
  }

  bytes(index: number): number {
    return bytesOf(this.#at(index));
  }

  runs(): readonly PartitionRun[] {
    return this.#runs;
  }

  forget(from: number, to: number): void {
    this.#records.fill(undefined, from, to);
  }

  release(): void {
    this.#records = [];
  }

  #at(index: number): StoredRecord {
    const record = this.#records[index];
    if (!record) throw new RangeError(`No record ${index}: the chunk has ${this.length}, or was released.`);
    return record;
  }
}

const lengthOf = (bytes: Buffer | null): number => bytes?.length ?? 0;

function bytesOf({ key, value, headers }: StoredRecord): number {
  return headers.reduce((sum, [name, each]) => sum + name.length + lengthOf(each), lengthOf(key) + lengthOf(value));
}
