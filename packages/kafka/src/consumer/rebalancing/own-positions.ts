import type { TopicPartition } from "../../client/port.js";
import { offsetsByKey, partitionKey, partitionOf } from "../../client/partition-key.js";
import type { SessionContext } from "./session-context.js";

/** Much longer than old positions were seen to be answered: two seconds. */
const PATIENCE_MS = 5000;
const ASK_AGAIN_MS = 500;
/** An answer that takes longer says nothing of old positions, as where a transaction holds them. */
const ANSWER_MS = 2000;

/**
 * Waits where the group seems to be further back than this consumer has committed. While a broker came back, old
 * positions were read for a moment; a consumer that begins there reads again what was finished long ago. What is still
 * answered after a while is believed: the group was set back, or the topic was made again.
 */
export class OwnPositions {
  readonly #context: SessionContext;

  constructor(context: SessionContext) {
    this.#context = context;
  }

  /** Never rejects: if the lookup fails, reading begins where the client does. */
  async settled(partitions: readonly TopicPartition[]): Promise<void> {
    const { clock, logger, settings, life } = this.#context;
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
      { groupId: settings.groupId, partitions: behind.map(partitionOf) },
    );
  }

  async #behind(partitions: readonly TopicPartition[]): Promise<readonly TopicPartition[]> {
    const { client, assignment } = this.#context;
    const known = partitions.filter((each) => assignment.acknowledged(each) !== undefined);
    if (known.length === 0) return [];
    try {
      const stored = offsetsByKey(await client.committedOnce(known.map(partitionOf), ANSWER_MS));
      return known.filter((each) => (stored.get(partitionKey(each)) ?? 0) < (assignment.acknowledged(each) ?? 0));
    } catch {
      return [];
    }
  }
}
