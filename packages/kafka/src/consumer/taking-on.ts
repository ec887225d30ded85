import type { Logger } from "@millrace/streams";
import type { ConsumerClient, StartPosition, TopicPartition } from "../client/port.js";
import { decodeFinished } from "../ledger/finished-set/decode-finished.js";
import { NOTHING_FINISHED } from "../ledger/finished-set/finished-set.js";
import { placeOf } from "../partition-key.js";
import type { ParsedConsumer } from "../settings.js";
import type { Assignment } from "./assignment.js";
import type { Bounds } from "./bounds.js";
import type { OwnedPartition } from "./owned-partition.js";
import type { HandlerCalls } from "./rebalance-handlers.js";
import { type AssignedPartition, StartOffsets } from "./start-offsets.js";

export interface TakingOnOptions {
  readonly client: Pick<ConsumerClient, "committed" | "offsetsForTimes" | "watermarks">;
  readonly settings: ParsedConsumer;
  readonly logger: Logger;
  readonly assignment: Assignment;
  readonly bounds: Bounds | undefined;
  readonly handlers: HandlerCalls;
  readonly onTaken: (partitions: readonly OwnedPartition[]) => void;
  readonly onFailure: (error: unknown) => void;
}

/** How partitions are taken on: where they begin and end is looked up before anything of them is read. */
export class TakingOn {
  readonly #options: TakingOnOptions;
  readonly #startOffsets: StartOffsets;

  constructor(options: TakingOnOptions) {
    this.#options = options;
    const { client, settings } = options;
    const { startAt, offsetsOnAssign, lookupTimeoutMs } = settings;
    this.#startOffsets = new StartOffsets({ client, timeoutMs: lookupTimeoutMs, startAt, offsetsOnAssign });
  }

  startOf(partition: TopicPartition): StartPosition["offset"] | undefined {
    return this.#startOffsets.of(partition);
  }

  /** The group has assigned them. */
  async assigned(partitions: readonly TopicPartition[]): Promise<void> {
    const { bounds, handlers, logger, settings, onFailure } = this.#options;
    try {
      await this.#startOffsets.learn(partitions);
      await bounds?.learn(partitions);
    } catch (error) {
      // They are not taken, so that nothing of them is delivered from a wrong place.
      onFailure(error);
      return;
    }
    await handlers.call("onAssign", partitions);
    await this.#take(partitions);
    logger.info("kafka consumer: partitions assigned", { groupId: settings.groupId ?? "", partitions });
  }

  /** Where positions are kept elsewhere, only that place knows what was done with what was delivered. */
  async startAgain(partition: TopicPartition): Promise<number | undefined> {
    if (!this.#options.settings.offsetsOnAssign) return undefined;
    await this.#startOffsets.learn([placeOf(partition)]);
    const offset = this.startOf(partition);
    return typeof offset === "number" ? offset : undefined;
  }

  /** The user has assigned them; answers where each begins. */
  async ownAssignment(
    partitions: readonly AssignedPartition[],
  ): Promise<readonly (TopicPartition & { readonly offset?: StartPosition["offset"] })[]> {
    const started = await this.#startOffsets.ofAssignment(partitions);
    await this.#options.bounds?.learn(started);
    await this.#take(started);
    return started;
  }

  /** An assignment begins anew within this consumer: nothing is known to be finished. */
  begin(owned: OwnedPartition): void {
    const { rememberFinished } = this.#options.settings;
    if (rememberFinished) owned.rememberFinished(rememberFinished.maxBytes, NOTHING_FINISHED);
  }

  async #take(partitions: readonly TopicPartition[]): Promise<void> {
    const { client, settings, logger, assignment, onTaken } = this.#options;
    const taken = assignment.add(partitions);
    onTaken(taken);
    const { rememberFinished, commitTimeoutMs } = settings;
    if (!rememberFinished || taken.length === 0) return;
    const { maxBytes, parallelConsumer } = rememberFinished;
    for (const owned of taken) this.begin(owned);
    // Whoever names an offset to begin at wants to read from there.
    const resumed = partitions.filter((each) => !("offset" in each) && this.startOf(each) === undefined);
    try {
      for (const { topic, partition, offset, metadata } of await client.committed(resumed, commitTimeoutMs)) {
        const finished = decodeFinished(offset, metadata, { parallelConsumer });
        assignment.get({ topic, partition })?.rememberFinished(maxBytes, finished);
      }
    } catch (error) {
      // What is finished above the positions is unknown then, and read again.
      logger.warn("kafka consumer: committed metadata could not be read", { groupId: settings.groupId ?? "", error });
    }
  }
}
