import type { Clock, Logger } from "@millrace/streams";
import type { ConsumerClient, KafkaDriver, RecordChunk, TopicPartition } from "../client/port.js";
import type { OffsetOwner, PositionToCommit } from "../committable-offset.js";
import { KafkaConnectorError } from "../errors.js";
import { NOTHING_FINISHED } from "../ledger/finished-set/finished-set.js";
import { Auditor } from "../ledger/auditor.js";
import { decodeFinished } from "../ledger/finished-set/decode-finished.js";
import type { ParsedCommitter, ParsedConsumer } from "../settings.js";
import { Assignment } from "./assignment.js";
import { type BufferedRun, FetchedChunk } from "./fetched-chunk.js";
import { CommitSchedule } from "./commit-schedule.js";
import { FlowControl } from "./flow-control.js";
import { OffsetCommitter } from "./offset-committer.js";
import type { OwnedPartition } from "./owned-partition.js";
import { ReadLoop } from "./read-loop.js";
import { Revocations } from "./revocations.js";
import { type ConsumerExplanation, type PartitionReport, SessionHistory } from "./session-history.js";

/** How long a revocation waits for its last commit. */
const REVOKE_COMMIT_MS = 5000;

export interface SessionListener {
  /** There may be records to take, or the session failed. */
  onAvailable(): void;
  /** Given where each partition has a stream of its own. */
  onAssigned?(partitions: readonly OwnedPartition[]): void;
  onGivenUp?(partitions: readonly OwnedPartition[]): void;
}

export interface SessionOptions {
  readonly settings: ParsedConsumer;
  readonly driver: KafkaDriver;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Records are followed by their claims; otherwise offsets come back in order, or not at all. */
  readonly followed: boolean;
  readonly listener: SessionListener;
}

/** A part of a fetched chunk that is delivered now. */
export interface Delivery {
  readonly owned: OwnedPartition;
  readonly run: BufferedRun;
}

/**
 * One consumer client at work. It is read from `start` until the client is closed; what the stream does not take yet waits
 * in bounded buffers, one per partition.
 *
 *     start ──► running ──► stopped (delivers nothing, polls on for commits) ──► shut down (commits done, client closed)
 */
export class ConsumerSession implements OffsetOwner {
  readonly groupId: string;
  readonly #settings: ParsedConsumer;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #listener: SessionListener;
  readonly #client: ConsumerClient;
  readonly #committer: OffsetCommitter;
  readonly #assignment: Assignment;
  readonly #flow: FlowControl;
  readonly #history = new SessionHistory();
  readonly #revocations: Revocations;
  readonly #reading: ReadLoop;
  readonly #schedule: CommitSchedule;
  /** Bounds hold back what waits to be delivered. */
  #held = false;
  #stopped = false;
  /** The stream has failed or was cancelled: claims in flight will not end any more. */
  #dead = false;
  #closing = false;
  #failure: { readonly error: unknown } | undefined;
  #loop: Promise<void> | undefined;
  #shutdown: Promise<void> | undefined;
  #leaks = false;

  constructor({ settings, driver, logger, clock, followed, listener }: SessionOptions) {
    this.#settings = settings;
    this.#logger = logger;
    this.#clock = clock;
    this.#listener = listener;
    this.groupId = settings.groupId ?? "";
    const auditor = new Auditor();
    const claimBound = followed ? Number.POSITIVE_INFINITY : settings.maxInFlight;
    this.#assignment = new Assignment(auditor, claimBound, (owned) => this.#onEnded(owned));
    this.#client = driver.consumer(settings.properties, {
      onAssign: (partitions) => this.#onAssign(partitions),
      onRevoke: (partitions) => this.#onRevoke(partitions),
      onLost: (partitions) => this.#onLost(partitions),
      onError: (error) => this.#onError(error),
    });
    const partitions = (): Iterable<OwnedPartition> => this.#assignment.partitions;
    this.#flow = new FlowControl(
      { ...settings, followed, partitioned: listener.onAssigned !== undefined },
      this.#client,
      partitions,
    );
    this.#revocations = new Revocations(clock, settings.revokeTimeoutMs);
    this.#reading = new ReadLoop({
      client: this.#client,
      clock,
      logger,
      flow: this.#flow,
      maxPollRecords: settings.maxPollRecords,
      maxBufferedRecords: settings.maxBufferedRecords,
      isStopped: () => this.#stopped,
      isCommitting: () => this.#committer.busy,
      onChunk: (chunk) => this.#buffer(chunk),
      onFailure: (error) => this.#fail(error),
    });
    this.#committer = new OffsetCommitter({
      client: this.#client,
      clock,
      commitTimeoutMs: settings.commitTimeoutMs,
      partitions,
      auditor,
    });
    this.#schedule = new CommitSchedule({
      clock,
      flow: this.#flow,
      maxReplay: settings.maxReplay,
      hasFinished: () => this.#hasFinished(),
      isCommitting: () => this.#committer.busy,
      commit: () => this.commitNow(),
      onFailure: (error) => this.#fail(error),
    });
  }

  start(): void {
    this.#loop = this.#connectAndRead();
  }

  /** What the stream failed with, once the buffers have been taken. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  /** What may be delivered now: one run of every partition that has any and is within its bounds. */
  take(): readonly Delivery[] {
    if (this.#stopped) return [];
    const now = this.#clock.now();
    const deliveries: Delivery[] = [];
    let total = this.#flow.totalRoom(now);
    for (const owned of this.#assignment.partitions) {
      const run = owned.take(Math.min(this.#flow.room(owned), total));
      if (!run) continue;
      deliveries.push({ owned, run });
      total -= run.to - run.from;
    }
    return this.#taken(deliveries, now);
  }

  /** The same of one partition. */
  takeOf(owned: OwnedPartition): readonly Delivery[] {
    if (this.#stopped) return [];
    const now = this.#clock.now();
    const run = owned.take(Math.min(this.#flow.room(owned), this.#flow.totalRoom(now)));
    return this.#taken(run ? [{ owned, run }] : [], now);
  }

  #taken(deliveries: readonly Delivery[], now: number): readonly Delivery[] {
    if (deliveries.length > 0) this.#reading.wake();
    else this.#held = this.#hasBuffered();
    this.#schedule.delivered(now);
    return deliveries;
  }

  /** Where nothing waits no bound holds anything back, and the end of a claim need not wake the stream. */
  #hasBuffered(): boolean {
    for (const owned of this.#assignment.partitions) if (owned.buffered > 0) return true;
    return false;
  }

  /** There may be room within the bounds again. */
  #release(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#listener.onAvailable();
  }

  /** Nobody takes the records of this partition any more, nor ends what is in flight of it. */
  abandonPartition(owned: OwnedPartition): void {
    owned.abandon();
    this.#revocations.check();
  }

  /** Finished work is committed by the session itself, by number and by time. */
  commitFinished(settings: ParsedCommitter): void {
    this.#schedule.begin(settings);
  }

  /** Commits everything that is finished at the end of a stream; closing does that as well. */
  async commitLast(): Promise<void> {
    if (!this.#shutdown) return this.commitNow();
    await this.#shutdown;
    if (this.#leaks) await this.#committer.commit();
  }

  /** Commits everything that is finished now. */
  commitNow(): Promise<void> {
    this.#schedule.committing();
    const committed = this.#committer.commit().then(() => this.#release());
    // The loop may be waiting for room, and only a poll serves the answer.
    this.#reading.wake();
    return committed;
  }

  commit(positions: readonly PositionToCommit[]): Promise<void> {
    for (const { topic, partition, epoch, position, metadata } of positions) {
      const owned = this.#assignment.get({ topic, partition });
      if (owned?.epoch === epoch) owned.endThrough(position - 1, metadata);
    }
    return this.commitNow();
  }

  get hurried(): boolean {
    return this.#revocations.waiting || this.#flow.isShort(this.#clock.now());
  }

  onHurry(flush: () => void): void {
    this.#schedule.onHurry(flush);
  }

  /** Delivers nothing more; claims in flight may end, and commits go on. */
  stop(): void {
    this.#stopped = true;
    for (const owned of this.#assignment.partitions) owned.drop();
    this.#reading.wake();
  }

  /** Stops; nobody will end what is in flight. */
  abandon(): void {
    this.#dead = true;
    this.stop();
    this.#revocations.check();
  }

  /** Stops, lets commits under way finish, leaves the group, closes. Idempotent. */
  shutdown(): Promise<void> {
    this.#shutdown ??= this.#shutDown();
    return this.#shutdown;
  }

  explain(): ConsumerExplanation {
    const state = this.#closing ? "closed" : this.#stopped ? "stopped" : "running";
    return this.#history.explain(state, this.#clock.now(), this.#assignment.partitions, this.#flow);
  }

  /** Claims were open when the consumer closed, and nobody had failed or left. */
  get leaks(): boolean {
    return this.#leaks;
  }

  report(): readonly PartitionReport[] {
    return this.#history.report(this.#assignment.partitions);
  }

  async #shutDown(): Promise<void> {
    this.stop();
    const open = [...this.#assignment.partitions].some((owned) => !owned.isIdle);
    this.#leaks = open && this.#schedule.begun && !this.#dead;
    let failure: unknown;
    try {
      if (this.#schedule.begun && !this.#failure && this.#hasFinished()) await this.commitNow();
    } catch (error) {
      failure = error;
    }
    // Closed in the turn in which it is idle: a commit accepted between the two would find the client closed.
    while (this.#committer.busy) await this.#committer.settled();
    this.#committer.close();
    this.#closing = true;
    this.#reading.close();
    this.#schedule.close();
    this.#revocations.check();
    // The client's close waits for a running poll and serves its own last revocation.
    await this.#client.close();
    await this.#loop;
    this.#giveUp([...this.#assignment.partitions]);
    if (failure !== undefined) throw failure;
  }

  #hasFinished(): boolean {
    for (const owned of this.#assignment.partitions) if (owned.ledger.uncommitted > 0) return true;
    return false;
  }

  async #connectAndRead(): Promise<void> {
    try {
      await this.#client.connect();
      if (this.#closing) return;
      const { subscription } = this.#settings;
      if (subscription.kind === "assignment") await this.#take(subscription.partitions);
      this.#client.subscribe(subscription);
    } catch (error) {
      this.#fail(error);
      return;
    }
    await this.#reading.run();
  }

  #buffer(chunk: RecordChunk): void {
    const wanted = chunk.runs().flatMap((run) => {
      const owned = this.#assignment.get(run);
      return owned && !owned.retired ? [{ owned, run }] : [];
    });
    const fetched = new FetchedChunk(chunk, wanted.length);
    for (const { owned, run } of wanted) owned.add({ ...run, fetched });
    this.#listener.onAvailable();
  }

  #onEnded(owned: OwnedPartition): void {
    if (owned.retired) this.#revocations.check();
    this.#schedule.ended(owned);
    this.#release();
  }

  async #onAssign(partitions: readonly TopicPartition[]): Promise<void> {
    await this.#take(partitions);
    this.#logger.info("kafka consumer: partitions assigned", { groupId: this.groupId, partitions });
  }

  async #take(partitions: readonly TopicPartition[]): Promise<void> {
    const taken = this.#assignment.add(partitions);
    this.#listener.onAssigned?.(taken);
    const { rememberFinished, commitTimeoutMs } = this.#settings;
    if (!rememberFinished || taken.length === 0) return;
    const { maxBytes, parallelConsumer } = rememberFinished;
    for (const owned of taken) owned.rememberFinished(maxBytes, NOTHING_FINISHED);
    // Whoever names an offset to begin at wants to read from there.
    const resumed = partitions.filter((each) => !("offset" in each));
    try {
      for (const { topic, partition, offset, metadata } of await this.#client.committed(resumed, commitTimeoutMs)) {
        const finished = decodeFinished(offset, metadata, { parallelConsumer });
        this.#assignment.get({ topic, partition })?.rememberFinished(maxBytes, finished);
      }
    } catch (error) {
      // What is finished above the positions is unknown then, and read again.
      this.#logger.warn("kafka consumer: committed metadata could not be read", { groupId: this.groupId, error });
    }
  }

  /** I4: delivers no more of them, lets their claims end, commits, and only then fences: fencing first would replay it. */
  async #onRevoke(partitions: readonly TopicPartition[]): Promise<void> {
    const revoked = this.#assignment.owned(partitions);
    const dropped = revoked.reduce((sum, owned) => sum + owned.retire(), 0);
    this.#listener.onGivenUp?.(revoked);
    this.#reading.wake();
    if (!this.#closing) {
      const ended = this.#revocations.untilEnded(revoked, () => this.#dead || this.#closing);
      this.#schedule.hurry();
      this.#revocations.check();
      await ended;
      // Whoever asked for a commit that fails learns of it; the next owner reads the records again.
      if (this.#committer.busy || revoked.some((owned) => owned.ledger.uncommitted > 0))
        await this.#revocations.within(REVOKE_COMMIT_MS, this.commitNow());
    }
    const unfinished = revoked.reduce((sum, owned) => sum + owned.ledger.inFlight, 0);
    this.#giveUp(revoked);
    const what = { groupId: this.groupId, partitions, dropped, unfinished };
    if (unfinished === 0 || this.#closing) this.#logger.info("kafka consumer: partitions revoked", what);
    else this.#logger.warn("kafka consumer: partitions revoked before all their records were finished", what);
  }

  /** I5: they are somebody else's already, so nothing of them may be committed any more. */
  #onLost(partitions: readonly TopicPartition[]): void {
    const lost = this.#assignment.owned(partitions);
    const abandoned = lost.reduce((sum, owned) => sum + owned.ledger.inFlight, 0);
    this.#giveUp(lost);
    this.#listener.onGivenUp?.(lost);
    this.#revocations.check();
    this.#logger.warn("kafka consumer: partitions lost", { groupId: this.groupId, partitions, abandoned });
  }

  #giveUp(partitions: readonly OwnedPartition[]): void {
    this.#history.add(partitions);
    this.#assignment.remove(partitions);
    try {
      this.#flow.forget(partitions);
    } catch (error) {
      this.#fail(error);
    }
    this.#reading.wake();
  }

  #onError(error: Error): void {
    if (error instanceof KafkaConnectorError && error.fatal) this.#fail(error);
    else this.#logger.warn("kafka consumer: client error", { error });
  }

  #fail(error: unknown): void {
    if (this.#failure || this.#closing) return;
    this.#failure = { error };
    this.#logger.error("kafka consumer: failed", { groupId: this.groupId, error });
    this.#listener.onAvailable();
  }
}
