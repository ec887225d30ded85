import type { Headers } from "@millrace/kafka";

/** A record as the simulated broker keeps it. */
export interface StoredRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Headers;
}

/** What a reader is shown: everything, or only what no transaction can take back any more. */
export type Isolation = "read_uncommitted" | "read_committed";

/** What one transaction has written to one partition. */
export interface Written {
  readonly first: number;
  state: "open" | "committed" | "aborted";
}

/**
 * The records of a partition. Offsets have holes: markers of transactions take one each, and `skip` leaves some out.
 *
 *     deleted │ readable by all │ records of open transactions, and all behind them │
 *             low               last stable offset                                  high
 *
 * Deleted records stay in memory, so that a test can compare everything that was ever stored.
 */
export class PartitionLog {
  readonly topic: string;
  readonly partition: number;
  readonly #records: StoredRecord[] = [];
  /** The transaction of each record, at the same index. */
  readonly #written: (Written | undefined)[] = [];
  readonly #open = new Set<Written>();
  #low = 0;
  #high = 0;

  constructor(topic: string, partition: number) {
    this.topic = topic;
    this.partition = partition;
  }

  get low(): number {
    return this.#low;
  }

  get high(): number {
    return this.#high;
  }

  /** The offset after the last one that can be read; the last stable offset for those who read what is committed. */
  end(isolation: Isolation): number {
    if (isolation === "read_uncommitted" || this.#open.size === 0) return this.#high;
    return Math.min(...[...this.#open].map(({ first }) => first));
  }

  /** Answers the offset of the first record. */
  append(records: readonly Omit<StoredRecord, "topic" | "partition" | "offset">[], by?: Written): number {
    const first = this.#high;
    for (const { timestamp, key, value, headers } of records) {
      const { topic, partition } = this;
      this.#records.push({ topic, partition, offset: this.#high++, timestamp, key, value, headers });
      this.#written.push(by);
    }
    return first;
  }

  /** A transaction begins to write here; its records follow at once. */
  begin(): Written {
    const written: Written = { first: this.#high, state: "open" };
    this.#open.add(written);
    return written;
  }

  /** Writes the marker that ends the transaction. */
  settle(written: Written, state: "committed" | "aborted"): void {
    written.state = state;
    this.#open.delete(written);
    this.#high += 1;
  }

  skip(count: number): void {
    this.#high += count;
  }

  deleteBefore(offset: number): void {
    this.#low = Math.max(this.#low, Math.min(offset, this.#high));
  }

  /** The offset of the first readable record from `position` on, or `end` where there is none. */
  next(position: number, isolation: Isolation): number {
    const end = this.end(isolation);
    for (let index = this.#indexOf(position); index < this.#records.length; index++) {
      const { offset } = this.#records[index] as StoredRecord;
      if (offset >= end) return end;
      if (this.#shows(index, isolation)) return offset;
    }
    return Math.max(position, end);
  }

  /** At most `max` readable records from `position` on. */
  read(position: number, max: number, isolation: Isolation): readonly StoredRecord[] {
    const end = this.end(isolation);
    const from = this.#indexOf(position);
    const found: StoredRecord[] = [];
    for (let index = from; index < this.#records.length && found.length < max; index++) {
      const record = this.#records[index] as StoredRecord;
      if (record.offset >= end) break;
      if (this.#shows(index, isolation)) found.push(record);
    }
    return found;
  }

  /** The offset of the first record that is not older; none where there is no such record. */
  firstSince(timestamp: number, isolation: Isolation): number | undefined {
    const end = this.end(isolation);
    return this.#records.find(({ offset, timestamp: at }) => offset >= this.#low && offset < end && at >= timestamp)
      ?.offset;
  }

  /** Everything that was ever stored, but for what the isolation hides. */
  all(isolation: Isolation): readonly StoredRecord[] {
    return isolation === "read_uncommitted"
      ? this.#records
      : this.#records.filter(({ offset }, index) => offset < this.end(isolation) && this.#shows(index, isolation));
  }

  #shows(index: number, isolation: Isolation): boolean {
    return isolation === "read_uncommitted" || this.#written[index]?.state !== "aborted";
  }

  /** The index of the first record at or behind the offset. */
  #indexOf(offset: number): number {
    let [low, high] = [0, this.#records.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#records[middle] as StoredRecord).offset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
