import type { ConsumerClient, StartPosition, TopicPartition, TopicPartitionOffset } from "../../client/port.js";
import { KafkaConnectorError } from "../../errors/errors.js";
import { placeName } from "../../client/partition-key.js";
import type { Commits } from "../committing/commits.js";
import type { Assignment } from "../partitions/assignment.js";
import type { FlowControl } from "../reading/flow-control.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";
import type { SessionLife } from "../partitions/session-life.js";
import type { ReadLoop } from "../reading/read-loop.js";
import type { PartitionReports } from "../partitions/partition-report.js";

export interface SeekingOptions {
  readonly client: Pick<ConsumerClient, "seek">;
  readonly timeoutMs: number;
  readonly assignment: Assignment;
  readonly reports: PartitionReports;
  readonly flow: FlowControl;
  readonly reading: ReadLoop;
  readonly life: SessionLife;
  readonly commits: Pick<Commits, "now" | "untilEnded">;
  /** The partition has begun anew: later offsets of it belong to `after`. */
  readonly onReplaced: (before: OwnedPartition, after: OwnedPartition) => void;
}

interface Move {
  readonly owned: OwnedPartition;
  readonly offset: number;
}

const names = (partitions: readonly TopicPartition[]): string => partitions.map(placeName).join(", ");

/**
 * Reads partitions on from elsewhere. Offsets ascend within an epoch, so each begins a new one: 1. nothing more of the
 * partition is delivered; 2. what is in flight ends and is committed; 3. between two polls the client seeks, what was read
 * ahead is dropped, and the old epoch is fenced.
 */
export class Seeking {
  readonly #options: SeekingOptions;
  /** One at a time: two would hold each other's partitions. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: SeekingOptions) {
    this.#options = options;
  }

  /** Resolves when the partitions are read from there. Rejects with `SEEK_FAILED`, and then has changed nothing. */
  seek(positions: readonly TopicPartitionOffset[]): Promise<void> {
    const seeking = this.#last.then(() => this.#seek(positions));
    this.#last = seeking.catch(() => undefined);
    return seeking;
  }

  async #seek(positions: readonly TopicPartitionOffset[]): Promise<void> {
    const { assignment, reading } = this.#options;
    const unknown = positions.filter((each) => assignment.get(each)?.retired !== false);
    if (unknown.length > 0) throw this.#notAssigned(unknown);
    const moves = assignment.owned(positions).map((owned, index): Move => {
      return { owned, offset: (positions[index] as TopicPartitionOffset).offset };
    });
    for (const { owned } of moves) owned.hold();
    try {
      await this.#finish(moves.map(({ owned }) => owned));
      await reading.between(() => this.#move(moves));
    } finally {
      for (const { owned } of moves) owned.release();
      reading.wake();
    }
  }

  /**
   * A partition that nobody takes any more is read again, from `start` or else from its last unfinished record; answers the
   * new assignment.
   */
  async again(owned: OwnedPartition, start: number | undefined): Promise<OwnedPartition | undefined> {
    const { assignment, reading } = this.#options;
    let after: OwnedPartition | undefined;
    await reading.between(async () => {
      const offset = start ?? owned.resumeAt;
      if (assignment.get(owned) !== owned) return;
      if (offset !== undefined) await this.#options.client.seek([this.#at(owned, offset)], this.#options.timeoutMs);
      if (assignment.get(owned) === owned) after = this.#replace(owned, offset ?? owned.reading.from);
    });
    return after;
  }

  /** The logs of these are other ones now: they are read from their beginning; answers the new assignments. */
  async beginAnew(partitions: readonly OwnedPartition[]): Promise<readonly OwnedPartition[]> {
    const { client, timeoutMs, reading, onReplaced } = this.#options;
    const begun: OwnedPartition[] = [];
    await reading.between(async () => {
      const moves = partitions.map((owned): Move => ({ owned, offset: 0 }));
      const positions = this.#owned(moves).map(({ owned, offset }) => this.#at(owned, offset));
      if (positions.length > 0) await client.seek(positions, timeoutMs);
      for (const { owned, offset } of this.#owned(moves)) {
        const after = this.#replace(owned, offset);
        onReplaced(owned, after);
        begun.push(after);
      }
    });
    return begun;
  }

  #at({ topic, partition }: TopicPartition, offset: number): TopicPartitionOffset {
    return { topic, partition, offset };
  }

  async #finish(partitions: readonly OwnedPartition[]): Promise<void> {
    const { commits } = this.#options;
    await commits.untilEnded(partitions);
    const busy = partitions.filter((owned) => !owned.isIdle);
    if (busy.length > 0) {
      throw new KafkaConnectorError(
        "SEEK_FAILED",
        `Records of ${names(busy)} were in flight for longer than revokeTimeoutMs, so reading goes on where it was. Seek again once they are finished, or raise revokeTimeoutMs.`,
        { retriable: true },
      );
    }
    if (partitions.some(({ hasNews }) => hasNews)) await commits.now();
  }

  async #move(moves: readonly Move[]): Promise<void> {
    const { client, timeoutMs, onReplaced, life } = this.#options;
    this.#requireAll(moves, this.#owned(moves));
    try {
      await client.seek(
        moves.map(({ owned, offset }) => this.#at(owned, offset)),
        timeoutMs,
      );
    } catch (error) {
      // Where the client reads now is not known, and what it reads might be taken for what comes next.
      if (this.#owned(moves).length > 0) life.fail(error);
      throw error;
    }
    const left = this.#owned(moves);
    for (const { owned, offset } of left) onReplaced(owned, this.#replace(owned, offset));
    this.#requireAll(moves, left);
  }

  #replace(owned: OwnedPartition, start: StartPosition["offset"] | undefined): OwnedPartition {
    const { assignment, reports, flow } = this.#options;
    reports.add([owned]);
    assignment.remove([owned]);
    const [after] = assignment.add([owned]) as [OwnedPartition];
    after.reading.beginAt(start);
    if (owned.isCommitted) after.commits();
    flow.replace(owned, after);
    return after;
  }

  /** Less those that were revoked meanwhile. */
  #owned(moves: readonly Move[]): readonly Move[] {
    return moves.filter(({ owned }) => this.#options.assignment.delivers(owned));
  }

  #requireAll(moves: readonly Move[], left: readonly Move[]): void {
    const gone = moves.filter((move) => !left.includes(move));
    if (gone.length > 0) throw this.#notAssigned(gone.map(({ owned }) => owned));
  }

  #notAssigned(partitions: readonly TopicPartition[]): KafkaConnectorError {
    return new KafkaConnectorError(
      "SEEK_FAILED",
      `${names(partitions)} ${partitions.length === 1 ? "is" : "are"} not assigned to this consumer. Seek what control.assignment() names.`,
    );
  }
}
