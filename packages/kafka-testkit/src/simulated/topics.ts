import type { Headers, TopicPartition } from "@millrace/kafka";

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

/** Names a partition in maps and in the history. */
export const keyOf = ({ topic, partition }: TopicPartition): string => `${topic}-${partition}`;

export const namesOf = (partitions: readonly TopicPartition[]): string => partitions.map(keyOf).join(" ") || "nothing";

/** All records of all topics. Nothing is ever deleted, so that a test can compare all of it. */
export class Topics {
  readonly #topics = new Map<string, StoredRecord[][]>();
  readonly #waiting = new Set<() => void>();

  get names(): readonly string[] {
    return [...this.#topics.keys()];
  }

  /** Answers whether the topic is new. */
  create(topic: string, partitions: number): boolean {
    if (this.#topics.has(topic)) return false;
    this.#topics.set(
      topic,
      Array.from({ length: partitions }, () => []),
    );
    return true;
  }

  partitionsOf(topic: string): number {
    return this.#topics.get(topic)?.length ?? 0;
  }

  log(topic: string, partition: number): readonly StoredRecord[] | undefined {
    return this.#topics.get(topic)?.[partition];
  }

  /** Answers the offset of the first record, or `undefined` where there is no such partition. */
  append(
    { topic, partition }: TopicPartition,
    records: readonly Omit<StoredRecord, "topic" | "partition" | "offset">[],
  ): number | undefined {
    const log = this.#topics.get(topic)?.[partition];
    if (!log) return undefined;
    const first = log.length;
    for (const record of records) log.push({ ...record, topic, partition, offset: log.length });
    for (const wake of [...this.#waiting]) wake();
    return first;
  }

  /** Calls `wake` whenever records were appended, until the returned function is called. */
  onAppend(wake: () => void): () => void {
    this.#waiting.add(wake);
    return () => void this.#waiting.delete(wake);
  }
}
