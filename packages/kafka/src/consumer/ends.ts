import type { Logger } from "@millrace/streams";
import type { ConsumerClient, TopicPartitionOffset } from "../client/port.js";
import { partitionKey, placeOf } from "../partition-key.js";
import type { Assignment } from "./assignment.js";
import type { Bounds } from "./bounds.js";
import type { OwnedPartition } from "./owned-partition.js";

export interface EndsOptions {
  readonly client: Pick<ConsumerClient, "committed" | "fetchedWatermarks">;
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

/**
 * Ends of partitions that the client has met. Offsets below an end that hold no record to be seen, such as the markers of
 * transactions and what these took back, count as read: a bounded source has come to its bound, and the group commits the end,
 * so that its lag is 0.
 */
export class Ends {
  readonly #options: EndsOptions;
  /** Told during a poll, whose records come after. */
  #told: TopicPartitionOffset[] = [];

  constructor(options: EndsOptions) {
    this.#options = options;
  }

  /** A partition has nothing below that offset but what the running poll returns. */
  tell(end: TopicPartitionOffset): void {
    this.#told.push(end);
  }

  /** A poll is over, and what came of it waits to be delivered. */
  polled(): void {
    if (this.#told.length === 0) return;
    const { assignment, bounds, groupId, isAstray } = this.#options;
    const unknown: TopicPartitionOffset[] = [];
    for (const { offset, ...place } of this.#told.splice(0)) {
      const owned = assignment.get(place);
      if (!owned || owned.retired || isAstray(owned)) continue;
      bounds?.reachEnd(owned, offset);
      if (groupId === "") continue;
      const end = Math.min(offset, bounds?.of(owned) ?? offset);
      if (owned.reading.next === undefined) unknown.push({ ...place, offset: end });
      else this.#reach(owned, end, owned.reading.next);
    }
    if (unknown.length > 0) void this.#lookUp(unknown);
  }

  /** Only the client knows where these began, of which nothing was read. */
  async #lookUp(ends: readonly TopicPartitionOffset[]): Promise<void> {
    const { client, groupId, timeoutMs, logger, assignment, beginsAtBeginning } = this.#options;
    const owned = assignment.owned(ends);
    try {
      const committed = await client.committed(owned.map(placeOf), timeoutMs);
      const starts = new Map(committed.map((each) => [partitionKey(each), each.offset]));
      owned.forEach((each, index) => {
        const start = starts.get(each.key) ?? (beginsAtBeginning ? 0 : undefined);
        if (start === undefined || assignment.get(each) !== each || each.retired) return;
        this.#reach(each, (ends[index] as TopicPartitionOffset).offset, start);
      });
    } catch (error) {
      logger.info("kafka consumer: it is not known whether hidden records are to be committed", { groupId, error });
    }
  }

  #reach(owned: OwnedPartition, end: number, start: number): void {
    const { client, beginsAtBeginning, onTail } = this.#options;
    if (end <= start) return;
    // Where the log begins above it, the client was reset, and may have left out what there is.
    if (!beginsAtBeginning && (client.fetchedWatermarks?.(owned)?.low ?? 0) > start) return;
    owned.reading.reachEnd(end);
    onTail(owned);
  }
}
