import type { StartingPartition, StartPosition, Subscription, TopicPartition } from "../../client/port.js";
import { offsetsByKey, partitionOf } from "../../client/partition-key.js";
import { NOTHING_FINISHED } from "../../ledger/finished-set/finished-set.js";
import type { AssignedPartition } from "../../settings/parse-consumer.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";
import { Bounds } from "./bounds.js";
import { finishedBefore } from "./finished-before.js";
import { OwnPositions } from "./own-positions.js";
import { HandlerCalls } from "./rebalance-handlers.js";
import type { SessionContext } from "./session-context.js";
import { StartOffsets } from "./start-offsets.js";

/** How long a revocation waits for its last commit. */
const REVOKE_COMMIT_MS = 5000;

const NONE: ReadonlyMap<string, number> = new Map();

export interface RebalancingListener {
  /** Reading of them may begin; `committed` are positions of the group that were looked up for it. */
  onTaken(partitions: readonly OwnedPartition[], committed: ReadonlyMap<string, number>): void;
  /** They are no longer delivered. */
  onGivenUp(partitions: readonly OwnedPartition[]): void;
}

/**
 * Handles partitions that the group gives and takes: assigned (where they begin and end is looked up before anything of
 * them is read), revoked (drained, committed, then fenced), or lost (fenced at once).
 */
export class Rebalancing {
  /** Of a bounded source. */
  readonly bounds: Bounds | undefined;
  readonly handlers: HandlerCalls;
  readonly #context: SessionContext;
  readonly #listener: RebalancingListener;
  readonly #startOffsets: StartOffsets;
  readonly #ownPositions: OwnPositions;
  #count = 0;

  constructor(context: SessionContext, listener: RebalancingListener) {
    this.#context = context;
    this.#listener = listener;
    const { client, settings } = context;
    this.bounds = settings.until && new Bounds(client, settings.until, settings.lookupTimeoutMs);
    this.handlers = new HandlerCalls(context);
    this.#startOffsets = new StartOffsets(client, settings);
    this.#ownPositions = new OwnPositions(context);
  }

  /** Assignments, revocations and losses so far. */
  get count(): number {
    return this.#count;
  }

  /** Where the client is to begin, if not where the group was. */
  startOf(partition: TopicPartition): StartPosition["offset"] | undefined {
    return this.#startOffsets.of(partition);
  }

  /** The group has assigned them. */
  async assigned(partitions: readonly TopicPartition[]): Promise<void> {
    const { logger, settings, life } = this.#context;
    this.#count += 1;
    let committed = NONE;
    try {
      await this.#startOffsets.learn(partitions);
      await this.bounds?.learn(partitions);
      await this.#ownPositions.settled(partitions.filter((each) => this.startOf(each) === undefined));
      if (settings.offsetResetProtection) committed = await this.#committed(partitions);
    } catch (error) {
      // They are not taken, so that nothing of them is delivered from a wrong offset.
      life.fail(error);
      return;
    }
    await this.handlers.call("onAssign", partitions);
    await this.#take(partitions, committed);
    logger.info("kafka consumer: partitions assigned", { groupId: settings.groupId, partitions });
  }

  /** I4: delivers no more of them, lets their claims end, commits, only then fences: fencing first would replay it. */
  async revoked(partitions: readonly TopicPartition[]): Promise<void> {
    const { settings, logger, assignment, reading, life } = this.#context;
    this.#count += 1;
    const revoked = assignment.owned(partitions);
    const dropped = revoked.reduce((sum, owned) => sum + owned.retire(), 0);
    this.#listener.onGivenUp(revoked);
    reading.wake();
    if (!life.isClosed) await this.#finish(revoked);
    const unfinished = revoked.reduce((sum, owned) => sum + owned.ledger.inFlight, 0);
    this.giveUp(revoked);
    const what = { groupId: settings.groupId, partitions, dropped, unfinished };
    if (unfinished === 0 || life.isClosed) logger.info("kafka consumer: partitions revoked", what);
    else logger.warn("kafka consumer: partitions revoked before all their records were finished", what);
    await this.handlers.call("onRevoke", partitions);
  }

  async #finish(revoked: readonly OwnedPartition[]): Promise<void> {
    const { settings, logger, commits } = this.#context;
    await commits.untilEnded(revoked);
    if (!commits.busy && !revoked.some(({ hasNews }) => hasNews)) return;
    const committed = commits.now().catch((error: unknown) => {
      const what = "the commit before partitions are given up failed; the next owner reads again what it was to commit";
      const { groupId } = settings;
      logger.warn(`kafka consumer: ${what}`, { groupId, partitions: revoked.map(partitionOf), error });
    });
    await commits.within(REVOKE_COMMIT_MS, committed);
  }

  /** I5: they have another owner already, so nothing of them may be committed any more. */
  async lost(partitions: readonly TopicPartition[]): Promise<void> {
    const { settings, logger, assignment, commits } = this.#context;
    this.#count += 1;
    const lost = assignment.owned(partitions);
    const abandoned = lost.reduce((sum, owned) => sum + owned.ledger.inFlight, 0);
    this.giveUp(lost);
    this.#listener.onGivenUp(lost);
    commits.check();
    logger.warn("kafka consumer: partitions lost", { groupId: settings.groupId, partitions, abandoned });
    await this.handlers.call("onLost", partitions);
  }

  giveUp(owned: readonly OwnedPartition[]): void {
    const { assignment, reading, life } = this.#context;
    // Others may have been lost while they were waited for.
    const partitions = owned.filter((each) => assignment.get(each) === each);
    assignment.remove(partitions);
    try {
      reading.flow.forget(partitions);
    } catch (error) {
      life.fail(error);
    }
    reading.wake();
  }

  /** What to subscribe to: of an assignment by the user, with where each partition begins. */
  async subscription(): Promise<Subscription> {
    const { subscription } = this.#context.settings;
    if (subscription.kind !== "assignment") return subscription;
    return { kind: "assignment", partitions: await this.#ownAssignment(subscription.partitions) };
  }

  async #ownAssignment(partitions: readonly AssignedPartition[]): Promise<readonly StartingPartition[]> {
    const started = await this.#startOffsets.ofAssignment(partitions);
    await this.bounds?.learn(started);
    await this.#take(started, this.#context.settings.offsetResetProtection ? await this.#committed(started) : NONE);
    return started;
  }

  /** When they are assigned next, they begin where they are now, unless more of them is committed then. */
  resume(partitions: readonly OwnedPartition[]): void {
    this.#startOffsets.resumeAt(
      partitions.flatMap((owned) => {
        const offset = owned.resumeAt ?? owned.reading.next;
        return offset === undefined ? [] : { ...partitionOf(owned), offset };
      }),
    );
  }

  /** Where positions are kept elsewhere, only that store knows what was done with delivered records. */
  async startAgain(partition: TopicPartition): Promise<number | undefined> {
    if (!this.#context.settings.offsetsOnAssign) return undefined;
    await this.#startOffsets.learn([partitionOf(partition)]);
    const offset = this.startOf(partition);
    return typeof offset === "number" ? offset : undefined;
  }

  /** An assignment begins anew within this consumer: nothing is known to be finished. */
  begin(owned: OwnedPartition): void {
    const { rememberFinished } = this.#context.settings;
    if (rememberFinished) owned.commit.rememberFinished(rememberFinished.maxBytes, NOTHING_FINISHED);
  }

  /** The group's positions, so that a reset is noticed even at the first record of a partition. */
  async #committed(partitions: readonly StartingPartition[]): Promise<ReadonlyMap<string, number>> {
    const { client, settings } = this.#context;
    const unknown = partitions.filter((each) => each.offset === undefined && this.startOf(each) === undefined);
    if (unknown.length === 0) return NONE;
    const committed = await client.committed(unknown.map(partitionOf), settings.lookupTimeoutMs);
    return offsetsByKey(committed);
  }

  async #take(partitions: readonly StartingPartition[], committed: ReadonlyMap<string, number>): Promise<void> {
    const { settings, assignment } = this.#context;
    const taken = assignment.add(partitions);
    taken.forEach((owned, index) => {
      owned.reading.beginAt(partitions[index]?.offset ?? this.startOf(owned) ?? committed.get(owned.key));
    });
    this.#listener.onTaken(taken, committed);
    const { rememberFinished } = settings;
    if (!rememberFinished || taken.length === 0) return;
    for (const owned of taken) this.begin(owned);
    // A partition with an offset to begin at is to be read from there.
    const resumed = partitions.filter((each) => !("offset" in each) && this.startOf(each) === undefined);
    for (const { finished, ...partition } of await finishedBefore(this.#context, rememberFinished, resumed)) {
      assignment.get(partition)?.commit.rememberFinished(rememberFinished.maxBytes, finished);
    }
  }
}
