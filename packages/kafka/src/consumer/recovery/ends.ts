import type { TopicPartitionOffset } from "../../client/port.js";
import { offsetsByKey, partitionOf } from "../../client/partition-key.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";
import { NO_POSITION, type RemovedRecords } from "./removed-records.js";
import type { Bounds } from "../rebalancing/bounds.js";
import type { SessionContext } from "../rebalancing/session-context.js";
import type { OffsetResets } from "./offset-resets.js";

/** A client that was reset has not read what lies below the end that it meets. */
type Returns = Pick<OffsetResets, "isReturning">;

interface Met {
  readonly owned: OwnedPartition;
  readonly offset: number;
}

/**
 * Ends of partitions that the client has met. Offsets below an end that hold no visible record, such as markers of
 * transactions and aborted records, count as read: a bounded source has come to its bound, and the group commits the
 * end, so that its lag is 0.
 */
export class Ends {
  readonly #context: SessionContext;
  readonly #bounds: Bounds | undefined;
  readonly #resets: Returns;
  readonly #removed: RemovedRecords;
  /** Met during a poll, before its records. Kept by assignment, since a new one may begin before the poll is over. */
  #met: Met[] = [];

  constructor(context: SessionContext, bounds: Bounds | undefined, resets: Returns, removed: RemovedRecords) {
    this.#context = context;
    this.#bounds = bounds;
    this.#resets = resets;
    this.#removed = removed;
  }

  /** A partition has nothing below that offset but what the running poll returns. */
  tell({ offset, ...partition }: TopicPartitionOffset): void {
    const owned = this.#context.assignment.get(partition);
    if (owned) this.#met.push({ owned, offset });
  }

  /** A poll is over, and what came of it waits to be delivered. */
  polled(): void {
    if (this.#met.length === 0) return;
    const { assignment, settings } = this.#context;
    const unknown: Met[] = [];
    for (const { owned, offset } of this.#met.splice(0)) {
      if (!assignment.delivers(owned) || this.#resets.isReturning(owned)) continue;
      this.#bounds?.reachEnd(owned, offset);
      if (settings.groupId === "") continue;
      const met = { owned, offset: Math.min(offset, this.#bounds?.of(owned) ?? offset) };
      if (owned.reading.next === undefined) unknown.push(met);
      else this.#reach(met, owned.reading.next);
    }
    if (unknown.length > 0) void this.#lookUp(unknown);
  }

  /** Only the client knows where these began, because nothing of them was read. */
  async #lookUp(ends: readonly Met[]): Promise<void> {
    const { client, settings, logger, assignment } = this.#context;
    try {
      const committed = await client.committed(
        ends.map(({ owned }) => partitionOf(owned)),
        settings.lookupTimeoutMs,
      );
      const starts = offsetsByKey(committed);
      for (const met of ends) {
        const start = starts.get(met.owned.key) ?? (this.#beginsAtBeginning ? NO_POSITION : undefined);
        if (start !== undefined && assignment.delivers(met.owned)) this.#reach(met, start);
      }
    } catch (error) {
      logger.info("kafka consumer: it is not known whether hidden records are to be committed", {
        groupId: settings.groupId,
        error,
      });
    }
  }

  /** Without a position of the group in the log, the client begins at the log's beginning. */
  get #beginsAtBeginning(): boolean {
    const { properties } = this.#context.settings;
    return ["earliest", "smallest", "beginning"].includes(`${properties["auto.offset.reset"]}`);
  }

  #reach({ owned, offset }: Met, start: number): void {
    if (offset <= start) return;
    // A client that was reset to the end has left out what there is.
    if (this.#removed.beforeEnd(owned, start, offset) && !this.#beginsAtBeginning)
      return owned.reading.through(offset - 1);
    owned.reading.reachEnd(offset);
    this.#context.commits.reachedEnd(owned);
  }
}
