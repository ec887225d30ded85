import type { ClusterMetadata, PartitionMetadata, Subscription, TopicPartition } from "@millrace/kafka";
import { PartitionLog, type StoredRecord } from "./log.js";

/** Names a partition in maps and in the history. */
export const keyOf = ({ topic, partition }: TopicPartition): string => `${topic}-${partition}`;

export const namesOf = (partitions: readonly TopicPartition[]): string => partitions.map(keyOf).join(" ") || "nothing";

/** Where the clients of a cluster that is simulated would find its brokers. */
const PORT = 9092;

/** All topics of the cluster, and which broker leads each partition. */
export class Topics {
  readonly #brokers: number;
  readonly #topics = new Map<string, { readonly first: number; readonly id: number; readonly logs: PartitionLog[] }>();
  #ids = 0;
  readonly #waiting = new Set<() => void>();
  #version = 0;

  constructor(brokers: number) {
    this.#brokers = brokers;
  }

  get names(): readonly string[] {
    return [...this.#topics.keys()];
  }

  /** Counts the changes of topics and of their partitions. */
  get version(): number {
    return this.#version;
  }

  /** Answers whether the topic is new. */
  create(topic: string, partitions: number): boolean {
    if (this.#topics.has(topic)) return false;
    this.#topics.set(topic, { first: this.#topics.size, id: this.#ids++, logs: [] });
    return this.grow(topic, partitions);
  }

  /** Answers whether there was one. */
  remove(topic: string): boolean {
    this.#version += 1;
    return this.#topics.delete(topic);
  }

  /** A topic made again under its name has another id. */
  idOf(topic: string): number | undefined {
    return this.#topics.get(topic)?.id;
  }

  /** Answers whether the topic exists. */
  grow(topic: string, more: number): boolean {
    const logs = this.#topics.get(topic)?.logs;
    if (!logs) return false;
    for (let index = 0; index < more; index++) logs.push(new PartitionLog(topic, logs.length));
    this.#version += 1;
    return true;
  }

  partitionsOf(topic: string): number {
    return this.#topics.get(topic)?.logs.length ?? 0;
  }

  log({ topic, partition }: TopicPartition): PartitionLog | undefined {
    return this.#topics.get(topic)?.logs[partition];
  }

  /** Brokers are counted from 1; neighbouring partitions are led by different ones. */
  leaderOf({ topic, partition }: TopicPartition): number {
    return 1 + (((this.#topics.get(topic)?.first ?? 0) + Math.max(0, partition)) % this.#brokers);
  }

  /** What a subscription names and is not there, or its pattern where no topic matches. */
  missingFrom(subscription: Exclude<Subscription, { readonly kind: "assignment" }>): readonly string[] {
    if (subscription.kind === "topics") return subscription.topics.filter((each) => this.partitionsOf(each) === 0);
    const { pattern } = subscription;
    return this.names.some((topic) => topic.search(pattern) !== -1) ? [] : [String(pattern)];
  }

  /** One topic, or all; every partition has one copy. */
  describe(topic?: string): ClusterMetadata {
    const wanted = this.names.filter((name) => (topic ?? name) === name && this.partitionsOf(name) > 0);
    const partitionOf = (each: TopicPartition): PartitionMetadata => {
      const leader = this.leaderOf(each);
      return { ...each, leader, replicas: [leader], inSyncReplicas: [leader] };
    };
    return {
      brokers: Array.from({ length: this.#brokers }, (_, at) => ({ id: at + 1, host: `broker-${at + 1}`, port: PORT })),
      topics: wanted.map((name) => ({
        topic: name,
        partitions: Array.from({ length: this.partitionsOf(name) }, (_, partition) =>
          partitionOf({ topic: name, partition }),
        ),
      })),
    };
  }

  /** Answers the offset of the first record, or `undefined` where there is no such partition. */
  append(
    partition: TopicPartition,
    records: readonly Omit<StoredRecord, "topic" | "partition" | "offset">[],
  ): number | undefined {
    const first = this.log(partition)?.append(records);
    if (first !== undefined) this.changed();
    return first;
  }

  /** Wakes the readers: there may be something to read. */
  changed(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  /** Calls `wake` whenever there may be something new to read, until the returned function is called. */
  onChange(wake: () => void): () => void {
    this.#waiting.add(wake);
    return () => void this.#waiting.delete(wake);
  }
}
