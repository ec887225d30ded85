import type { Logger } from "@millrace/streams";
import type { ConsumerClient, TopicPartitionOffset } from "../../client/port.js";
import { offsetsByKey, placeOf } from "../../client/partition-key.js";
import type { Assignment } from "../partitions/assignment.js";
import type { Bounds } from "../rebalancing/bounds.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";
import { NO_POSITION, type RemovedRecords } from "./removed-records.js";

export interface EndsOptions {
  readonly client: Pick<ConsumerClient, "committed">;
  readonly removed: RemovedRecords;
  readonly groupId: string;
  readonly timeoutMs: number;
  readonly logger: Logger;
  readonly assignment: Assignment;
  readonly bounds: Bounds | undefined;
  /** A client that was reset has not read what lies below the end that it meets. */
  readonly isAstray: (owned: OwnedPartition) => boolean;
  /** Without a position of the group in the log, the client begins at the log's beginning. */
  readonly beginsAtBeginning: boolean;
  /** More can be committed than before, though no claim has ended. */
  readonly onTail: (owned: OwnedPartition) => void;
}

interface Met {
  readonly owned: OwnedPartition;
  readonly offset: number;
}

/**
 * Ends of partitions that the client has met. Offsets below an end that hold no record to be seen, such as the markers of
 * transactions and what these took back, count as read: a bounded source has come to its bound, and the group commits the end,
 * so that its lag is 0.
 */
export class Ends {
  readonly #options: EndsOptions;
  /** Told during a poll, whose records come after. An assignment that begins before it is over is another matter. */
  #told: Met[] = [];

  constructor(options: EndsOptions) {
    this.#options = options;
  }

  /** A partition has nothing below that offset but what the running poll returns. */
  tell({ offset, ...place }: TopicPartitionOffset): void {
    const owned = this.#options.assignment.get(place);
    if (owned) this.#told.push({ owned, offset });
  }

  /** A poll is over, and what came of it waits to be delivered. */
  polled(): void {
    if (this.#told.length === 0) return;
    const { assignment, bounds, groupId, isAstray } = this.#options;
    const unknown: Met[] = [];
    for (const { owned, offset } of this.#told.splice(0)) {
      if (!assignment.delivers(owned) || isAstray(owned)) continue;
      bounds?.reachEnd(owned, offset);
      if (groupId === "") continue;
      const met = { owned, offset: Math.min(offset, bounds?.of(owned) ?? offset) };
      if (owned.reading.next === undefined) unknown.push(met);
      else this.#reach(met, owned.reading.next);
    }
    if (unknown.length > 0) void this.#lookUp(unknown);
  }

  /** Only the client knows where these began, of which nothing was read. */
  async #lookUp(ends: readonly Met[]): Promise<void> {
    const { client, groupId, timeoutMs, logger, assignment, beginsAtBeginning } = this.#options;
    try {
      const committed = await client.committed(
        ends.map(({ owned }) => placeOf(owned)),
        timeoutMs,
      );
      const starts = offsetsByKey(committed);
      for (const met of ends) {
        const start = starts.get(met.owned.key) ?? (beginsAtBeginning ? NO_POSITION : undefined);
        if (start !== undefined && assignment.delivers(met.owned)) this.#reach(met, start);
      }
    } catch (error) {
      logger.info("kafka consumer: it is not known whether hidden records are to be committed", { groupId, error });
    }
  }

  #reach({ owned, offset }: Met, start: number): void {
    const { removed, beginsAtBeginning, onTail } = this.#options;
    if (offset <= start) return;
    // A client that was reset to the end has left out what there is.
    if (removed.beforeEnd(owned, start, offset) && !beginsAtBeginning) return owned.reading.through(offset - 1);
    owned.reading.reachEnd(offset);
    onTail(owned);
  }
}
