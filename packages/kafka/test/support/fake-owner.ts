import {
  CommittableOffset,
  type CommitResult,
  type OffsetOwner,
  type PositionToCommit,
  type TopicPartition,
} from "@millrace/kafka";
import { Latch } from "../../../../test/support/latch.js";

interface OwnerCommit {
  readonly positions: readonly PositionToCommit[];
  readonly answer: Latch;
}

/** A consumer as a committer sees it: it takes commits and answers them as the test says. */
export class FakeOwner implements OffsetOwner {
  readonly groupId: string;
  readonly commits: OwnerCommit[] = [];
  /** Default: acknowledge at once. */
  onCommit: (answer: Latch) => void = (answer) => answer.open();

  constructor(groupId = "g") {
    this.groupId = groupId;
  }

  async commit(positions: readonly PositionToCommit[]): Promise<readonly CommitResult[]> {
    const answer = new Latch();
    this.commits.push({ positions, answer });
    this.onCommit(answer);
    await answer.opened;
    return positions.map(({ topic, partition, position }) => {
      return { groupId: this.groupId, topic, partition, position, outcome: "committed", committed: position };
    });
  }

  /** What failed and nobody was told of. */
  readonly untold: unknown[] = [];

  async tell(positions: readonly PositionToCommit[]): Promise<void> {
    await this.commit(positions).catch((error: unknown) => this.untold.push(error));
  }

  readonly refreshes: number[] = [];

  refreshEvery(intervalMs: number): void {
    this.refreshes.push(intervalMs);
  }

  /** Partitions that were given up, and the epochs of those that came back: without one any epoch will do. */
  readonly gone: Set<number> = new Set();
  readonly epochs: Map<number, number> = new Map();

  owns({ partition }: TopicPartition, epoch: number): boolean {
    return !this.gone.has(partition) && (this.epochs.get(partition) ?? epoch) === epoch;
  }

  /** Set it, then call `hurry`. */
  hurried = false;
  readonly flushes: Set<() => void> = new Set();

  onHurry(flush: () => void): () => void {
    this.flushes.add(flush);
    return () => void this.flushes.delete(flush);
  }

  hurry(): void {
    this.hurried = true;
    for (const flush of this.flushes) flush();
  }

  offset(offset: number, partition = 0, topic = "t", epoch = 1, metadata?: string): CommittableOffset {
    return new CommittableOffset(this, topic, partition, offset, epoch, metadata);
  }

  /** The positions of each commit, in order. */
  get positions(): (readonly number[])[] {
    return this.commits.map(({ positions }) => positions.map(({ position }) => position));
  }
}
