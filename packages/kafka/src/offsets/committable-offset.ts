import { acrossCopies } from "@millrace/streams/stage";
import type { TopicPartition } from "../client/port.js";
import type { CommitResult } from "./commit-result.js";

/** What a committer hands to the consumer an offset came from. */
export interface PositionToCommit extends TopicPartition {
  /** The next offset to read. */
  readonly position: number;
  readonly epoch: number;
  readonly metadata: string | undefined;
}

/** What committing an offset asks for. */
export const positionOf = ({ topic, partition, offset, epoch, metadata }: CommittableOffset): PositionToCommit => ({
  topic,
  partition,
  position: offset + 1,
  epoch,
  metadata,
});

/** The later assignment wins; within one, the higher position; between equals the order must not matter either. */
export const laterPosition = (a: PositionToCommit, b: PositionToCommit): PositionToCommit => {
  if (a.epoch !== b.epoch) return a.epoch > b.epoch ? a : b;
  if (a.position !== b.position) return a.position > b.position ? a : b;
  if (a.metadata === undefined || b.metadata === undefined) return a.metadata === undefined ? b : a;
  return a.metadata >= b.metadata ? a : b;
};

/** The consumer an offset belongs to: the only one that may commit it. */
export interface OffsetOwner {
  readonly groupId: string;
  /**
   * Resolves once the broker has answered, with the outcome of each position, in their order. Rejects with the client's
   * error, with `COMMIT_TIMEOUT`, and with `CONSUMER_CLOSED` once the consumer is closed; where its stream had failed
   * before, a late position is answered `notOwned` instead.
   */
  commit(positions: readonly PositionToCommit[]): Promise<readonly CommitResult[]>;
  /** `commit` without results: resolves also when it fails, which is logged and counted. */
  tell(positions: readonly PositionToCommit[]): Promise<void>;
  /** From now on the last committed position of every owned partition is committed again, at least this often. */
  refreshEvery(intervalMs: number): void;
  /** Whether the partition is still assigned as it was when the epoch began: otherwise the offset is inert. */
  owns(partition: TopicPartition, epoch: number): boolean;
  /** Gathered offsets should be committed at once: partitions are being given up, or a crash would repeat too much. */
  readonly hurried: boolean;
  /** `flush` is called when `hurried` becomes true, until the returned function is called. */
  onHurry(flush: () => void): () => void;
}

/**
 * The offset of one consumed record. Committing it says that this record *and all before it in its partition* are done, so
 * keep offsets in order between source and committer.
 *
 * A committer at the end of the stream gathers offsets and refuses those that come out of order; `commit` does neither.
 */
export class CommittableOffset implements TopicPartition {
  static {
    acrossCopies(this, "CommittableOffset");
  }

  readonly topic: string;
  readonly partition: number;
  /** The record's offset; what is committed is the next one. */
  readonly offset: number;
  /** Counts assignments of the partition to this consumer; an offset of an old one is inert. */
  readonly epoch: number;
  /** Committed with the offset. */
  readonly metadata: string | undefined;
  readonly owner: OffsetOwner;

  constructor(
    owner: OffsetOwner,
    topic: string,
    partition: number,
    offset: number,
    epoch: number,
    metadata: string | undefined,
  ) {
    this.owner = owner;
    this.topic = topic;
    this.partition = partition;
    this.offset = offset;
    this.epoch = epoch;
    this.metadata = metadata;
  }

  get groupId(): string {
    return this.owner.groupId;
  }

  /**
   * Commits by hand that this record and all before it in its partition are done; resolves with the outcome. Concurrent
   * calls share one commit. The order is not checked: never call it while an earlier record of the partition is being
   * worked on. Rejects with the client's error, `COMMIT_TIMEOUT` or `CONSUMER_CLOSED`.
   */
  async commit(): Promise<CommitResult> {
    const [result] = await this.owner.commit([positionOf(this)]);
    return result as CommitResult;
  }
}
