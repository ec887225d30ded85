import type { TopicPartition } from "./client/port.js";

/** What a committer hands to the consumer an offset came from. */
export interface PositionToCommit extends TopicPartition {
  /** The next offset to read. */
  readonly position: number;
  readonly epoch: number;
  readonly metadata: string | undefined;
}

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
  /** Resolves once the broker acknowledged; positions of partitions this consumer has lost since change nothing. */
  commit(positions: readonly PositionToCommit[]): Promise<void>;
  /** Gathered offsets should be committed at once: partitions are being given up, or a crash would repeat too much. */
  readonly hurried: boolean;
  /** `flush` is called when `hurried` becomes true, until the answer is called. */
  onHurry(flush: () => void): () => void;
}

/**
 * The offset of one consumed record. Committing it says that this record *and all before it in its partition* are done, so
 * keep offsets in order between source and committer.
 */
export class CommittableOffset implements TopicPartition {
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
}
