import type { PartitionRun, RecordChunk } from "../../client/port.js";
import { partitionOf } from "../../client/partition-key.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";
import type { SessionContext } from "../rebalancing/session-context.js";

/** Below every offset: the group has never been anywhere. */
export const NO_POSITION = -1;

/**
 * Offsets between where a partition was and the beginning of its log: retention, or somebody, has removed their records
 * before they were read. The client goes on at what is left without reporting it, so this does. Holes that compaction
 * and transactions leave lie above the beginning of the log, and are not that.
 */
export class RemovedRecords {
  readonly #context: SessionContext;
  readonly #removed = new WeakMap<OwnedPartition, number>();
  /** Where the group was when they were assigned, where that was looked up. */
  readonly #starts = new WeakMap<OwnedPartition, number>();
  #count = 0;

  constructor(context: SessionContext) {
    this.#context = context;
  }

  /** Offsets of all partitions so far. */
  get count(): number {
    return this.#count;
  }

  /** Offsets of one, under this assignment. */
  of(owned: OwnedPartition): number {
    return this.#removed.get(owned) ?? 0;
  }

  taken(partitions: readonly OwnedPartition[], committed: ReadonlyMap<string, number>): void {
    for (const owned of partitions) {
      const start = committed.get(owned.key);
      if (start !== undefined) this.#starts.set(owned, start);
    }
  }

  /** Looks at what was read before it counts as read. */
  read(owned: OwnedPartition, chunk: RecordChunk, run: PartitionRun): void {
    const { client, settings } = this.#context;
    const next = owned.reading.hasBegun ? owned.reading.next : this.#starts.get(owned);
    if (next !== undefined && run.lastOffset - next < run.to - run.from) return;
    const low = client.fetchedWatermarks?.(owned)?.low ?? 0;
    if (low === 0) return;
    if (next !== undefined) this.#readOn(owned, { chunk, run, next, low });
    // With an offset to begin at, only what is left was asked for.
    else if (settings.groupId !== "" && owned.reading.from === undefined)
      void this.#began(owned, chunk.offset(run.from), low);
  }

  /** The end is met, and nothing was read since `start`; returns whether records were removed there. */
  beforeEnd(owned: OwnedPartition, start: number, end: number): boolean {
    const low = this.#context.client.fetchedWatermarks?.(owned)?.low ?? 0;
    if (start === NO_POSITION || low <= start) return false;
    this.#report(owned, start, Math.min(low, end));
    return true;
  }

  #readOn(owned: OwnedPartition, read: { chunk: RecordChunk; run: PartitionRun; next: number; low: number }): void {
    const { chunk, run, low } = read;
    let { next } = read;
    for (let index = run.from; index < run.to; index++) {
      const offset = chunk.offset(index);
      if (next < offset && next < low) this.#report(owned, next, offset);
      next = offset + 1;
    }
  }

  /** Only the client knew where the group was. Asked before anything of the partition is delivered, thus committed. */
  async #began(owned: OwnedPartition, first: number, low: number): Promise<void> {
    const { client, settings, logger } = this.#context;
    const { groupId, lookupTimeoutMs } = settings;
    try {
      const [stored] = await client.committed([partitionOf(owned)], lookupTimeoutMs);
      if (stored && stored.offset < low) this.#report(owned, stored.offset, first);
    } catch (error) {
      const what = "it is not known whether records were removed before they were read";
      logger.info(`kafka consumer: ${what}`, { groupId, ...partitionOf(owned), error });
    }
  }

  #report(owned: OwnedPartition, from: number, to: number): void {
    const { logger, settings } = this.#context;
    this.#count += to - from;
    this.#removed.set(owned, this.of(owned) + to - from);
    logger.warn(
      "kafka consumer: records were removed before they were read, so they are lost to this group. Retention is shorter than the group is behind, or somebody deleted them",
      { groupId: settings.groupId, ...partitionOf(owned), from, to, offsets: to - from },
    );
  }
}
