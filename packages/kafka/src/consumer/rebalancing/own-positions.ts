import type { Clock, Logger } from "@millrace/streams";
import type { TopicPartition } from "../../client/port.js";
import type { RenewableClient } from "../../client/renewable-client.js";
import type { SessionLife } from "../partitions/session-life.js";
import { offsetsByKey, partitionKey, placeOf } from "../../client/partition-key.js";

/** Much longer than old positions were seen to be told: two seconds. */
const PATIENCE_MS = 5000;
const ASK_AGAIN_MS = 500;
/** An answer that takes longer says nothing of old positions, as where a transaction holds them. */
const ANSWER_MS = 2000;

export interface OwnPositionsOptions {
  readonly client: Pick<RenewableClient, "committedOnce">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly groupId: string;
  /** What the broker acknowledged last to this consumer, of a partition that it has given up. */
  readonly acknowledged: (partition: TopicPartition) => number | undefined;
  readonly life: Pick<SessionLife, "isOver">;
}

/**
 * Waits where the group seems to be further back than this consumer has brought it. While a broker came back, positions of long
 * before were read for a moment; who begins there reads again what was finished long ago. What is still told after a while is
 * believed: the group was set back, or the topic was made again.
 */
export class OwnPositions {
  readonly #options: OwnPositionsOptions;

  constructor(options: OwnPositionsOptions) {
    this.#options = options;
  }

  /** Never rejects: whoever cannot look begins where the client does. */
  async settled(partitions: readonly TopicPartition[]): Promise<void> {
    const { clock, logger, groupId, life } = this.#options;
    const deadline = clock.now() + PATIENCE_MS;
    let behind = partitions;
    for (;;) {
      behind = await this.#behind(behind);
      if (behind.length === 0 || life.isOver) return;
      if (clock.now() >= deadline) break;
      await new Promise<void>((resolve) => clock.schedule(ASK_AGAIN_MS, resolve));
    }
    logger.warn(
      "kafka consumer: the group is further back than this consumer had brought it; its records from there on are read again",
      { groupId, partitions: behind.map(placeOf) },
    );
  }

  async #behind(partitions: readonly TopicPartition[]): Promise<readonly TopicPartition[]> {
    const { client, acknowledged } = this.#options;
    const known = partitions.filter((each) => acknowledged(each) !== undefined);
    if (known.length === 0) return [];
    try {
      const stored = offsetsByKey(await client.committedOnce(known.map(placeOf), ANSWER_MS));
      return known.filter((each) => (stored.get(partitionKey(each)) ?? 0) < (acknowledged(each) ?? 0));
    } catch {
      return [];
    }
  }
}
