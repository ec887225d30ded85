import type { Logger } from "@millrace/streams";
import type {
  ConsumerClient,
  StartingPartition,
  StartPosition,
  Subscription,
  TopicPartition,
} from "../../client/port.js";
import { NOTHING_FINISHED } from "../../ledger/finished-set/finished-set.js";
import { offsetsByKey, placeOf } from "../../client/partition-key.js";
import type { Assignment } from "../partitions/assignment.js";
import type { Bounds } from "./bounds.js";
import { finishedBefore } from "./finished-before.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";
import type { SessionLife } from "../partitions/session-life.js";
import type { OwnPositions } from "./own-positions.js";
import type { HandlerCalls } from "./rebalance-handlers.js";
import { StartOffsets } from "./start-offsets.js";
import type { ParsedConsumer, AssignedPartition } from "../../settings/parse-consumer.js";

const NONE: ReadonlyMap<string, number> = new Map();

export interface TakingOnOptions {
  readonly client: Pick<ConsumerClient, "committed" | "offsetsForTimes" | "watermarks">;
  readonly settings: ParsedConsumer;
  readonly logger: Logger;
  readonly assignment: Assignment;
  readonly bounds: Bounds | undefined;
  readonly handlers: HandlerCalls;
  readonly ownPositions: OwnPositions;
  /** `committed` are positions of the group that were looked up for it. */
  readonly onTaken: (partitions: readonly OwnedPartition[], committed: ReadonlyMap<string, number>) => void;
  readonly life: Pick<SessionLife, "fail">;
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
    const { bounds, handlers, logger, settings, ownPositions, life } = this.#options;
    let committed = NONE;
    try {
      await this.#startOffsets.learn(partitions);
      await bounds?.learn(partitions);
      await ownPositions.settled(partitions.filter((each) => this.startOf(each) === undefined));
      if (settings.offsetResetProtection) committed = await this.#committed(partitions);
    } catch (error) {
      // They are not taken, so that nothing of them is delivered from a wrong place.
      life.fail(error);
      return;
    }
    await handlers.call("onAssign", partitions);
    await this.#take(partitions, committed);
    logger.info("kafka consumer: partitions assigned", { groupId: settings.groupId ?? "", partitions });
  }

  /** Where positions are kept elsewhere, only that place knows what was done with what was delivered. */
  async startAgain(partition: TopicPartition): Promise<number | undefined> {
    if (!this.#options.settings.offsetsOnAssign) return undefined;
    await this.#startOffsets.learn([placeOf(partition)]);
    const offset = this.startOf(partition);
    return typeof offset === "number" ? offset : undefined;
  }

  /** What to subscribe to: of an assignment by the user, with where each partition begins. */
  async subscription(): Promise<Subscription> {
    const { subscription } = this.#options.settings;
    if (subscription.kind !== "assignment") return subscription;
    return { kind: "assignment", partitions: await this.#ownAssignment(subscription.partitions) };
  }

  /** When they are assigned next, they begin where they are now, unless more of them is committed then. */
  resume(partitions: readonly OwnedPartition[]): void {
    this.#startOffsets.resumeAt(
      partitions.flatMap((owned) => {
        const offset = owned.resumeAt ?? owned.reading.next;
        return offset === undefined ? [] : { ...placeOf(owned), offset };
      }),
    );
  }

  async #ownAssignment(partitions: readonly AssignedPartition[]): Promise<readonly StartingPartition[]> {
    const started = await this.#startOffsets.ofAssignment(partitions);
    const { bounds, settings } = this.#options;
    await bounds?.learn(started);
    await this.#take(started, settings.offsetResetProtection ? await this.#committed(started) : NONE);
    return started;
  }

  /** An assignment begins anew within this consumer: nothing is known to be finished. */
  begin(owned: OwnedPartition): void {
    const { rememberFinished } = this.#options.settings;
    if (rememberFinished) owned.rememberFinished(rememberFinished.maxBytes, NOTHING_FINISHED);
  }

  /** Where a reset is to be told from the beginning, also the first record of a partition may come of one. */
  async #committed(partitions: readonly StartingPartition[]): Promise<ReadonlyMap<string, number>> {
    const { client, settings } = this.#options;
    const unknown = partitions.filter((each) => each.offset === undefined && this.startOf(each) === undefined);
    if (unknown.length === 0) return NONE;
    const committed = await client.committed(unknown.map(placeOf), settings.lookupTimeoutMs);
    return offsetsByKey(committed);
  }

  async #take(partitions: readonly StartingPartition[], committed: ReadonlyMap<string, number>): Promise<void> {
    const { client, settings, logger, assignment, onTaken } = this.#options;
    const taken = assignment.add(partitions);
    taken.forEach((owned, index) => {
      owned.reading.beginAt(partitions[index]?.offset ?? this.startOf(owned) ?? committed.get(owned.key));
    });
    onTaken(taken, committed);
    const { rememberFinished, commitTimeoutMs } = settings;
    if (!rememberFinished || taken.length === 0) return;
    const { maxBytes, parallelConsumer } = rememberFinished;
    for (const owned of taken) this.begin(owned);
    // Whoever names an offset to begin at wants to read from there.
    const resumed = partitions.filter((each) => !("offset" in each) && this.startOf(each) === undefined);
    const asking = { client, logger, groupId: settings.groupId ?? "", timeoutMs: commitTimeoutMs, parallelConsumer };
    for (const { finished, ...place } of await finishedBefore(asking, resumed)) {
      assignment.get(place)?.rememberFinished(maxBytes, finished);
    }
  }
}
