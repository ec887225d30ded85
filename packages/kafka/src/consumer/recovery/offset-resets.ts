import type { Cancellable } from "@millrace/streams";
import type { PartitionRun, RecordChunk } from "../../client/port.js";
import { KafkaConnectorError } from "../../errors/errors.js";
import { partitionOf } from "../../client/partition-key.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";
import type { SessionContext } from "../rebalancing/session-context.js";
import type { RemovedRecords } from "./removed-records.js";

/** How often in a row a partition is sent back to where it was before the stream fails. */
const MAX_ATTEMPTS = 10;
/** Before the second attempt; doubled up to the limit. The first is made at once. */
const RETRY_MS = 100;
const RETRY_LIMIT_MS = 5000;

/** A partition that is on its way back. */
interface Return {
  readonly attempts: number;
  /** The client was not sent back yet, so whatever it reads counts as wrong, even at the right offset. */
  seeking: boolean;
}

/**
 * Ensures that a partition goes forward under one assignment. A client goes back by itself where the broker no longer
 * knows its offset, as `auto.offset.reset` says: the log was cut, the topic was made anew, or a broker is in error.
 *
 * Without protection that fails the stream, for what was committed may mean other records now. With it, nothing that is
 * read from there is delivered, and the client is sent back: 1. it reads from before where it was; 2. everything of the
 * partition is dropped until, 3. between two polls, it seeks the offset that was to come; 4. what it reads then is from
 * there, or it was reset again.
 */
export class OffsetResets {
  readonly #context: SessionContext;
  readonly #removed: Pick<RemovedRecords, "read">;
  readonly #returns = new WeakMap<OwnedPartition, Return>();
  readonly #lastTimestamps = new WeakMap<OwnedPartition, number>();
  readonly #timers = new Set<Cancellable>();
  #closed = false;
  #count = 0;

  constructor(context: SessionContext, removed: Pick<RemovedRecords, "read">) {
    this.#context = context;
    this.#removed = removed;
  }

  /** How often the offset of a partition went backwards. */
  get count(): number {
    return this.#count;
  }

  /** It is on its way back to where it was. */
  isReturning(owned: OwnedPartition): boolean {
    return this.#returns.has(owned);
  }

  /** Another part seeks the client: until the partition has begun anew, nothing that is read of it counts. */
  leave(owned: OwnedPartition): void {
    this.#returns.set(owned, { attempts: 0, seeking: true });
  }

  /** Whether what was read goes on where the partition was; the rest is not to be delivered. */
  accepts(owned: OwnedPartition, chunk: RecordChunk, run: PartitionRun): boolean {
    const before = this.#returns.get(owned);
    if (before?.seeking) return false;
    const behind = (owned.reading.next ?? 0) - chunk.offset(run.from);
    const isReset = behind > 0 && (before !== undefined || this.#isReset(owned, behind, chunk, run));
    if (isReset) this.#goBack(owned, before, chunk.offset(run.from));
    else if (behind > 0 && owned.reading.hasBegun) this.#refuse(owned, chunk.offset(run.from));
    else {
      // The offset where the partition was to begin may never have existed.
      if (behind > 0) this.#logStart(owned, chunk.offset(run.from));
      this.#returns.delete(owned);
      this.#goOn(owned, chunk, run);
      return true;
    }
    return false;
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) timer.cancel();
  }

  #goOn(owned: OwnedPartition, chunk: RecordChunk, run: PartitionRun): void {
    this.#removed.read(owned, chunk, run);
    owned.reading.through(run.lastOffset);
    if (this.#context.settings.offsetResetProtection?.timeThresholdMs === undefined) return;
    const timestamp = chunk.timestamp(run.to - 1);
    if (timestamp !== -1) this.#lastTimestamps.set(owned, timestamp);
  }

  #logStart(owned: OwnedPartition, readAt: number): void {
    this.#context.logger.warn(
      "kafka consumer: the log of a partition does not reach the offset where it was to begin, so it is read from where autoOffsetReset says",
      { ...partitionOf(owned), start: owned.reading.next, readAt },
    );
  }

  #isReset(owned: OwnedPartition, behind: number, chunk: RecordChunk, run: PartitionRun): boolean {
    const { offsetResetProtection: protection } = this.#context.settings;
    if (!protection) return false;
    const { timeThresholdMs, offsetThreshold = timeThresholdMs === undefined ? 0 : Number.POSITIVE_INFINITY } =
      protection;
    if (behind > offsetThreshold) return true;
    const last = this.#lastTimestamps.get(owned);
    if (timeThresholdMs === undefined || last === undefined) return false;
    return [run.from, run.to - 1].some((index) => {
      const timestamp = chunk.timestamp(index);
      return timestamp !== -1 && last - timestamp > timeThresholdMs;
    });
  }

  #goBack(owned: OwnedPartition, before: Return | undefined, readAt: number): void {
    const { topic, partition } = owned;
    const expected = owned.reading.next;
    const attempts = (before?.attempts ?? 0) + 1;
    this.#count += 1;
    this.#context.logger.warn(
      "kafka consumer: offset went backwards; skipping these records and seeking back to the expected offset. Look for a topic that was made anew, a leader that lost its log, and errors of its brokers",
      { topic, partition, expected, readAt, attempts },
    );
    if (attempts > MAX_ATTEMPTS) this.#refuse(owned, readAt);
    else this.#seekLater(owned, { attempts, seeking: true });
  }

  #seekLater(owned: OwnedPartition, state: Return): void {
    this.#returns.set(owned, state);
    if (state.attempts === 1) void this.#seek(owned, state);
    else {
      const delayMs = Math.min(RETRY_MS * 2 ** (state.attempts - 2), RETRY_LIMIT_MS);
      const timer = this.#context.clock.schedule(delayMs, () => {
        this.#timers.delete(timer);
        void this.#seek(owned, state);
      });
      this.#timers.add(timer);
    }
  }

  async #seek(owned: OwnedPartition, state: Return): Promise<void> {
    const { reading, assignment, client, settings, logger } = this.#context;
    try {
      await reading.between(async () => {
        const offset = owned.reading.next;
        if (!assignment.delivers(owned) || offset === undefined) return;
        await client.seek([{ ...partitionOf(owned), offset }], settings.lookupTimeoutMs);
        state.seeking = false;
      });
    } catch (error) {
      if (this.#closed || assignment.get(owned) !== owned) return;
      logger.warn("kafka consumer: a partition could not be sent back to where it was", {
        ...partitionOf(owned),
        error,
      });
      if (state.attempts >= MAX_ATTEMPTS) this.#context.life.fail(error);
      else this.#seekLater(owned, { attempts: state.attempts + 1, seeking: true });
    }
  }

  #refuse(owned: OwnedPartition, readAt: number): void {
    const { topic, partition } = owned;
    const expected = owned.reading.next;
    this.#context.life.fail(
      new KafkaConnectorError(
        "OFFSET_RESET",
        `${topic}[${partition}] was read from offset ${readAt}, after everything below ${expected} had been read: its log was cut, the topic was made anew, or a broker is in error. Nothing of it was delivered. Where the records from ${readAt} on are new ones, restart the stream, or set the group's offsets first; where a broker errs, offsetResetProtection reads on where it was.`,
      ),
    );
  }
}
