import type { StartPosition, TopicPartition, TopicPartitionOffset } from "../../client/port.js";
import { KafkaConnectorError } from "../../errors/errors.js";
import { partitionName } from "../../client/partition-key.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";
import type { Rebalancing } from "./rebalancing.js";
import type { SessionContext } from "./session-context.js";

export interface SeekingListener {
  /** The partition has begun anew: later offsets of it belong to `after`. */
  onReplaced(before: OwnedPartition, after: OwnedPartition): void;
}

interface Move {
  readonly owned: OwnedPartition;
  readonly offset: number;
}

const names = (partitions: readonly TopicPartition[]): string => partitions.map(partitionName).join(", ");

/**
 * Reads partitions on from elsewhere. Offsets ascend within an epoch, so each begins a new one: 1. nothing more of the
 * partition is delivered; 2. what is in flight ends and is committed; 3. between two polls the client seeks, what was
 * read ahead is dropped, and the old epoch is fenced.
 */
export class Seeking {
  readonly #context: SessionContext;
  readonly #rebalancing: Pick<Rebalancing, "begin" | "startAgain">;
  readonly #listener: SeekingListener;
  /** One at a time: two would hold each other's partitions. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    context: SessionContext,
    rebalancing: Pick<Rebalancing, "begin" | "startAgain">,
    listener: SeekingListener,
  ) {
    this.#context = context;
    this.#rebalancing = rebalancing;
    this.#listener = listener;
  }

  /** Resolves when the partitions are read from there. Rejects with `SEEK_FAILED`, and then has changed nothing. */
  seek(positions: readonly TopicPartitionOffset[]): Promise<void> {
    const seeking = this.#last.then(() => this.#seek(positions));
    this.#last = seeking.catch(() => undefined);
    return seeking;
  }

  async #seek(positions: readonly TopicPartitionOffset[]): Promise<void> {
    const { assignment, reading } = this.#context;
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
   * Reads an abandoned partition again, from its position where those are kept elsewhere, or else from its last
   * unfinished record; returns the new assignment.
   */
  async again(owned: OwnedPartition): Promise<OwnedPartition | undefined> {
    const { assignment, reading } = this.#context;
    const start = await this.#rebalancing.startAgain(owned);
    let after: OwnedPartition | undefined;
    await reading.between(async () => {
      const offset = start ?? owned.resumeAt;
      if (assignment.get(owned) !== owned) return;
      if (offset !== undefined) await this.#send([{ owned, offset }]);
      if (assignment.get(owned) === owned) after = this.#replace(owned, offset ?? owned.reading.from);
    });
    return after;
  }

  /** The logs of these are other ones now: they are read from their beginning; returns the new assignments. */
  async beginAnew(partitions: readonly OwnedPartition[]): Promise<readonly OwnedPartition[]> {
    const { reading } = this.#context;
    const begun: OwnedPartition[] = [];
    await reading.between(async () => {
      const moves = partitions.map((owned): Move => ({ owned, offset: 0 }));
      const left = this.#owned(moves);
      if (left.length > 0) await this.#send(left);
      for (const { owned, offset } of this.#owned(moves)) {
        const after = this.#replace(owned, offset);
        this.#listener.onReplaced(owned, after);
        begun.push(after);
      }
    });
    return begun;
  }

  /** The client reads them from there, once this resolves. */
  #send(moves: readonly Move[]): Promise<void> {
    const { client, settings } = this.#context;
    return client.seek(
      moves.map(({ owned: { topic, partition }, offset }) => ({ topic, partition, offset })),
      settings.lookupTimeoutMs,
    );
  }

  async #finish(partitions: readonly OwnedPartition[]): Promise<void> {
    const { commits } = this.#context;
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
    this.#requireAll(moves, this.#owned(moves));
    try {
      await this.#send(moves);
    } catch (error) {
      // Where the client reads now is not known, and what it reads might be taken for what comes next.
      if (this.#owned(moves).length > 0) this.#context.life.fail(error);
      throw error;
    }
    const left = this.#owned(moves);
    for (const { owned, offset } of left) this.#listener.onReplaced(owned, this.#replace(owned, offset));
    this.#requireAll(moves, left);
  }

  #replace(owned: OwnedPartition, start: StartPosition["offset"] | undefined): OwnedPartition {
    const { assignment, reading } = this.#context;
    assignment.remove([owned]);
    const [after] = assignment.add([owned]) as [OwnedPartition];
    after.reading.beginAt(start);
    if (owned.commit.begun) after.commits();
    reading.flow.replace(owned, after);
    this.#rebalancing.begin(after);
    return after;
  }

  /** Less those that were revoked meanwhile. */
  #owned(moves: readonly Move[]): readonly Move[] {
    return moves.filter(({ owned }) => this.#context.assignment.delivers(owned));
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
