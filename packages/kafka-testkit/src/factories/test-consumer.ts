import {
  type CommittableMessage,
  CommittableOffset,
  type CommitResult,
  type ConsumerRecord,
  type OffsetOwner,
  type PositionToCommit,
  type TopicPartition,
  type TopicPartitionOffset,
} from "@millrace/kafka";

/** What a test says of a record; the rest has defaults. */
export interface TestRecord<out K, out V> extends Partial<ConsumerRecord<K, V>> {
  readonly topic: string;
  readonly value: V;
  /** Committed with the record's offset; default: none. */
  readonly metadata?: string;
}

/**
 * A fake consumer: it makes the messages of a committable source for a test of what comes behind it, and keeps what a
 * committer commits. It has no client, so nothing is read, rebalanced or lost; for that there is `SimulatedKafka`.
 */
export class TestConsumer implements OffsetOwner {
  readonly groupId: string;
  /** What was committed, one entry a commit, in order. */
  readonly commits: (readonly PositionToCommit[])[] = [];
  /** Nothing is ever given up here. */
  readonly hurried = false;
  readonly #next = new Map<string, number>();
  #failure: Error | undefined;

  /** `groupId` is seen in what is committed; default `test`. */
  constructor(groupId = "test") {
    this.groupId = groupId;
  }

  /**
   * A message as `committableSource` emits it. Defaults: partition 0, the next offset of the partition, from 0 on, no key,
   * no headers, timestamp -1.
   */
  message<V, K = string>(record: TestRecord<K, V>): CommittableMessage<K, V> {
    const { metadata, ...given } = record;
    const { topic, partition = 0 } = given;
    const key = `${partition} ${topic}`;
    const offset = given.offset ?? this.#next.get(key) ?? 0;
    this.#next.set(key, offset + 1);
    return {
      record: { key: null, timestamp: -1, headers: [], ...given, partition, offset },
      offset: new CommittableOffset(this, topic, partition, offset, 1, metadata),
    };
  }

  /** The last committed position of each partition: where a restart would go on reading. */
  get committed(): readonly TopicPartitionOffset[] {
    const last = new Map<string, TopicPartitionOffset>();
    for (const { topic, partition, position, metadata } of this.commits.flat()) {
      const committed = { topic, partition, offset: position };
      last.set(`${partition} ${topic}`, metadata === undefined ? committed : { ...committed, metadata });
    }
    return [...last.values()];
  }

  /** Commits reject with this error from now on; `undefined` lets them succeed again. */
  failCommits(error: Error | undefined): void {
    this.#failure = error;
  }

  /** What a committer calls. */
  async commit(positions: readonly PositionToCommit[]): Promise<readonly CommitResult[]> {
    if (this.#failure) throw this.#failure;
    this.commits.push(positions);
    return positions.map(({ topic, partition, position }) => ({
      groupId: this.groupId,
      topic,
      partition,
      position,
      outcome: "committed" as const,
      committed: position,
    }));
  }

  /** `commit` whose failure is dropped. */
  async tell(positions: readonly PositionToCommit[]): Promise<void> {
    await this.commit(positions).catch(() => undefined);
  }

  /** Nothing is committed again. */
  refreshEvery(_intervalMs: number): void {}

  /** Every partition, always. */
  owns(_partition: TopicPartition, _epoch: number): boolean {
    return true;
  }

  onHurry(_flush: () => void): () => void {
    return () => undefined;
  }
}
