import type { Logger } from "@millrace/streams";
import { KafkaConnectorError } from "../../errors/errors.js";
import { placeOf } from "../../client/partition-key.js";
import type { Commits } from "../committing/commits.js";
import { outright } from "../committing/stored-positions.js";
import type { Assignment } from "../partitions/assignment.js";
import type { OffsetResets } from "./offset-resets.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";
import type { SessionLife } from "../partitions/session-life.js";
import type { Seeking } from "../rebalancing/seeking.js";

export interface RemadeTopicsOptions {
  readonly groupId: string;
  readonly logger: Logger;
  readonly assignment: Assignment;
  readonly seeking: Seeking;
  readonly resets: OffsetResets;
  /** Why another topic in the place of the old one cannot be read on by itself, if so. */
  readonly refusal: string | undefined;
  readonly life: SessionLife;
  readonly commits: Pick<Commits, "now">;
}

/**
 * Reads a topic that was deleted and made again from its beginning. The client would read on at the offset where it was in
 * the old one, and skip what the new one has below. What is in flight of the old one ends nowhere: its offsets mean other
 * records now.
 */
export class RemadeTopics {
  readonly #options: RemadeTopicsOptions;

  constructor(options: RemadeTopicsOptions) {
    this.#options = options;
  }

  async remade(topic: string): Promise<void> {
    const { groupId, logger, assignment, seeking, resets, refusal, life } = this.#options;
    const owned = [...assignment.partitions].filter((each) => each.topic === topic && !each.retired);
    if (owned.length === 0 || life.isOver) return;
    if (refusal !== undefined) {
      const what = `${topic} was deleted and made again while it was read, and ${refusal}. Restart the stream to read the new one.`;
      return life.fail(new KafkaConnectorError("OFFSET_RESET", what));
    }
    const partitions = owned.map(placeOf);
    logger.warn(
      "kafka consumer: a topic was deleted and made again; it is read from its beginning, and what was in flight of the old one is not committed",
      { groupId, topic, partitions },
    );
    for (const each of owned) resets.leave(each);
    try {
      await this.#commitBeginning(await seeking.beginAnew(owned));
    } catch (error) {
      if (!life.isOver && owned.some((each) => assignment.delivers(each))) life.fail(error);
      else
        logger.warn("kafka consumer: the beginning of a topic that was made again is not committed", {
          groupId,
          topic,
          error,
        });
    }
  }

  /** The group is at the beginning of these, of which nothing has been delivered. */
  async #commitBeginning(begun: readonly OwnedPartition[]): Promise<void> {
    const committed = begun.filter(({ isCommitted }) => isCommitted);
    if (committed.length === 0) return;
    await this.#options.commits.now(committed.map((owned) => outright(owned, 0, undefined)));
  }
}
