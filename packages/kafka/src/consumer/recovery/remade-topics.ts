import { KafkaConnectorError } from "../../errors/errors.js";
import { partitionOf } from "../../client/partition-key.js";
import { outright } from "../committing/stored-positions.js";
import type { OffsetResets } from "./offset-resets.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";
import type { Seeking } from "../rebalancing/seeking.js";
import type { SessionContext } from "../rebalancing/session-context.js";

/**
 * Reads a topic that was deleted and made again from its beginning. The client would read on at the offset where it was
 * in the old one, and skip what the new one has below. What is in flight of the old one is not committed: its offsets
 * mean other records now.
 */
export class RemadeTopics {
  readonly #context: SessionContext;
  readonly #seeking: Seeking;
  readonly #resets: OffsetResets;

  constructor(context: SessionContext, seeking: Seeking, resets: OffsetResets) {
    this.#context = context;
    this.#seeking = seeking;
    this.#resets = resets;
  }

  async remade(topic: string): Promise<void> {
    const { settings, logger, assignment, life } = this.#context;
    const { groupId } = settings;
    const owned = [...assignment.partitions].filter((each) => each.topic === topic && !each.retired);
    if (owned.length === 0 || life.isOver) return;
    const refusal = this.#refusal;
    if (refusal !== undefined) {
      const what = `${topic} was deleted and made again while it was read, and ${refusal}. Restart the stream to read the new one.`;
      return life.fail(new KafkaConnectorError("OFFSET_RESET", what));
    }
    const partitions = owned.map(partitionOf);
    logger.warn(
      "kafka consumer: a topic was deleted and made again; it is read from its beginning, and what was in flight of the old one is not committed",
      { groupId, topic, partitions },
    );
    for (const each of owned) this.#resets.leave(each);
    try {
      await this.#commitBeginning(await this.#seeking.beginAnew(owned));
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

  /** Why a topic made again cannot be read on automatically, if so. */
  get #refusal(): string | undefined {
    const { until, offsetsOnAssign } = this.#context.settings;
    if (until) return "the bound of its source was looked up in the old one";
    return offsetsOnAssign && "its positions are kept elsewhere, for the old one";
  }

  /** Commits the beginning of these, before anything of them is delivered. */
  async #commitBeginning(begun: readonly OwnedPartition[]): Promise<void> {
    const committed = begun.filter(({ commit }) => commit.begun);
    if (committed.length === 0) return;
    await this.#context.commits.now(committed.map((owned) => outright(owned, 0, undefined)));
  }
}
