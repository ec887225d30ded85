import type { Clock, Logger } from "@millrace/streams";
import type { RecordChunk } from "../client/port.js";
import { RepeatedErrors } from "../client/repeated-errors.js";
import { KafkaConnectorError } from "../errors/errors.js";
import type { FailureLog } from "../logging/failure-log.js";
import { isDone } from "./rebalancing/bounds.js";
import { FetchedChunk } from "./partitions/fetched-chunk.js";
import type { OwnedPartition } from "./partitions/owned-partition.js";
import { type SessionParts, sessionParts } from "./session-parts.js";
import type { Commits } from "./committing/commits.js";
import { SessionLife } from "./partitions/session-life.js";
import { StallWatch } from "./recovery/stall-watch.js";
import type { Commands } from "./commands.js";
import { type Delivery, Turns } from "./reading/turns.js";
import type { ParsedConsumer } from "../settings/parse-consumer.js";
import { type ConsumerExplanation, explanation } from "./explanation.js";
import type { PartitionReport } from "./partitions/partition-report.js";

export interface SessionListener {
  /** There may be records to take, or the session failed. */
  onAvailable(): void;
  /** Given where each partition has a stream of its own. */
  onAssigned?(partitions: readonly OwnedPartition[]): void;
  onGivenUp?(partitions: readonly OwnedPartition[]): void;
  /** Whether nobody has run the stream of the partition yet. */
  isWaiting?(owned: OwnedPartition): boolean;
  /** The partition is read on from elsewhere, in the same stream. */
  onReplaced?(before: OwnedPartition, after: OwnedPartition): void;
  /** A bounded source has delivered all there is to deliver of these or, with `all`, of everything. */
  onDone(partitions: readonly OwnedPartition[], all: boolean): void;
}

export interface SessionOptions {
  readonly settings: ParsedConsumer;
  readonly logger: Logger;
  readonly failures: FailureLog;
  readonly clock: Clock;
  /** Records are followed by their claims; otherwise offsets come back in order, or not at all. */
  readonly followed: boolean;
  readonly listener: SessionListener;
}

/**
 * One consumer client at work. It is read from `start` until the client is closed; what the stream does not take yet waits
 * in bounded buffers, one per partition.
 *
 *     start ──► running ──► stopped (delivers nothing, polls on for commits) ──► shut down (commits done, client closed)
 */
export class ConsumerSession {
  readonly #settings: ParsedConsumer;
  readonly #failures: FailureLog;
  readonly #errors: RepeatedErrors;
  readonly #clock: Clock;
  readonly #listener: SessionListener;
  readonly #parts: SessionParts;
  /** Bounds hold back what waits to be delivered. */
  #held = false;
  readonly #turns = new Turns();
  readonly #stall: StallWatch;
  readonly #life: SessionLife;
  #loop: Promise<void> | undefined;
  #shutdown: Promise<void> | undefined;
  #leaks = false;

  constructor({ settings, logger, failures, clock, followed, listener }: SessionOptions) {
    this.#settings = settings;
    this.#failures = failures;
    this.#errors = new RepeatedErrors(logger, "kafka consumer: client error", () => clock.now());
    this.#clock = clock;
    this.#listener = listener;
    this.#stall = new StallWatch(clock, logger, () => this.explain().toString());
    const partitioned = listener.onAssigned !== undefined;
    this.#life = new SessionLife({
      mends: (error) => this.#parts.recovery.mends(error),
      onFailure: (error) => this.#onFailure(error),
    });
    this.#parts = sessionParts(
      { settings, logger, clock, followed, partitioned, life: this.#life },
      {
        onClaimEnded: (owned) => this.#onEnded(owned),
        onRoom: () => this.#onRoom(),
        onChunk: (chunk) => this.#buffer(chunk),
        onPolled: () => this.#onPolled(),
        onTaken: (partitions) => listener.onAssigned?.(partitions),
        onGivenUp: (partitions) => listener.onGivenUp?.(partitions),
        onReplaced: (before, after) => listener.onReplaced?.(before, after),
        onError: (error) => this.#onError(error),
      },
    );
  }

  /** What the user may do to it, and ask of it. */
  get commands(): Commands {
    return this.#parts.commands;
  }

  start(): void {
    this.#loop = this.#connectAndRead();
    this.#parts.recovery.start();
  }

  /** What the stream failed with, once the buffers have been taken. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#life.failure;
  }

  /** At most so many records that may be delivered now: a run of each partition in turn, or of `only`, within its bounds. */
  take(records: number, only?: OwnedPartition): readonly Delivery[] {
    if (this.#life.isStopped) return [];
    const now = this.#clock.now();
    const { flow, assignment } = this.#parts;
    const room = flow.deliveryRoom(now, records);
    const partitions = only ? [only] : [...assignment.partitions];
    const deliveries = this.#turns.take(partitions, room, (owned) => flow.room(owned));
    return this.#taken(deliveries, now);
  }

  #taken(deliveries: readonly Delivery[], now: number): readonly Delivery[] {
    if (deliveries.length > 0) this.#parts.reading.wake();
    else this.#held = this.#parts.assignment.hasBuffered;
    if (this.#held && deliveries.length === 0) this.#stall.held();
    this.commits.delivered(now);
    this.#tellDone();
    return deliveries;
  }

  /** A bounded source ends when everything that it was assigned has been delivered up to its bound. */
  #tellDone(): void {
    if (!this.#parts.bounds) return;
    const owned = [...this.#parts.assignment.partitions];
    const done = owned.filter(isDone);
    if (done.length > 0) this.#listener.onDone(done, done.length === owned.length);
  }

  /**
   * The one way to say that more may be delivered than before: a claim has ended, the broker has a position, a hold or a
   * pause is over, a partition is given up. The stream that found nothing it may take is woken; any other asks by itself.
   */
  #onRoom(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#stall.released();
    this.#listener.onAvailable();
  }

  /** Nobody takes the records of this partition any more, nor ends what is in flight of it. */
  abandonPartition(owned: OwnedPartition): void {
    owned.abandon();
    this.commits.check();
  }

  /** Reads an abandoned partition again, under a new epoch, from its last unfinished record; none where it is gone. */
  async readAgain(owned: OwnedPartition): Promise<OwnedPartition | undefined> {
    const after = await this.#parts.seeking.again(owned, await this.#parts.takingOn.startAgain(owned));
    if (after) this.#parts.takingOn.begin(after);
    return after;
  }

  get isStopped(): boolean {
    return this.#life.isStopped;
  }

  /** Claims are opened with the sizes of their records. */
  get countsBytes(): boolean {
    return this.#settings.maxInFlightBytes !== undefined;
  }

  /** The one door for commits. */
  get commits(): Commits {
    return this.#parts.commits;
  }

  /** Commits everything that is finished at the end of a stream; closing does that as well. */
  async commitLast(): Promise<void> {
    if (!this.#shutdown) return this.commits.remaining();
    await this.#shutdown;
    if (this.#leaks) await this.commits.now();
  }

  /** All that it owns, partitions that are being given up included. */
  get partitions(): Iterable<OwnedPartition> {
    return this.#parts.assignment.partitions;
  }

  /** What is committed once the consumer is closed comes late, and is read again as all that was in flight. */
  streamFailed(): void {
    this.#life.streamFailed();
  }

  /** Delivers nothing more; claims in flight may end, and commits go on. */
  stop(): void {
    this.#life.stop();
    this.#stall.released();
    this.#parts.recovery.close();
    for (const owned of this.#parts.assignment.partitions) owned.drop();
    this.#parts.reading.wake();
  }

  /** Stops; nobody will end what is in flight. */
  abandon(): void {
    this.#life.abandon();
    this.stop();
    this.commits.check();
  }

  /** Stops, lets commits under way finish, leaves the group, closes. Idempotent. */
  shutdown(): Promise<void> {
    this.#shutdown ??= this.#shutDown();
    return this.#shutdown;
  }

  /** Nothing is waited for any more: what is in flight is given up, and the client closes without its brokers' answers. */
  letGo(): void {
    this.abandon();
    this.#life.close();
    this.#parts.reading.close();
    this.#parts.client.close({ hurry: true }).catch(() => undefined);
    this.shutdown().catch(() => undefined);
  }

  explain(): ConsumerExplanation {
    const { state, failure } = this.#life;
    const { assignment, flow, recovery, commands } = this.#parts;
    return explanation(state, this.#clock.now(), assignment.partitions, {
      reasons: commands.troubles(state, failure),
      isPausedByUser: (owned) => flow.isPausedByUser(owned),
      isPaused: (owned) => flow.isPaused(owned),
      isWaiting: (owned) => this.#listener.isWaiting?.(owned) === true,
      recovery,
    });
  }

  /** Claims were open when the consumer closed, and nobody had failed or left. */
  get leaks(): boolean {
    return this.#leaks;
  }

  report(): readonly PartitionReport[] {
    return this.#parts.reports.report(this.#parts.assignment.partitions);
  }

  async #shutDown(): Promise<void> {
    this.stop();
    if (this.#listener.onAssigned) await this.#untilPartitionsEnded();
    const open = [...this.#parts.assignment.partitions].some((owned) => !owned.isIdle);
    this.#leaks = open && this.commits.begun && !this.#life.isDead;
    let failure: unknown;
    try {
      if (this.commits.owed) await this.commits.remaining();
    } catch (error) {
      failure = error;
    }
    // Without a handler no turn is lost, in which another poll would begin.
    if (this.#settings.handlers.onStop)
      await this.#parts.handlers.call("onStop", [...this.#parts.assignment.partitions]);
    // Closed in the turn in which it is idle: a commit accepted between the two would find the client closed.
    while (this.commits.busy) await this.commits.settled();
    this.commits.close();
    this.#life.close();
    this.#parts.reading.close();
    this.commits.check();
    // The client's close waits for a running poll and serves its own last revocation.
    await this.#parts.client.close();
    await this.#loop;
    this.#parts.givingUp.giveUp([...this.#parts.assignment.partitions]);
    if (failure !== undefined) throw failure;
  }

  /** Streams of partitions are runs of their own, which may go on when the one that emitted them has ended. */
  async #untilPartitionsEnded(): Promise<void> {
    const owned = [...this.#parts.assignment.partitions];
    if (this.#life.isDead || owned.every(({ isIdle }) => isIdle)) return;
    await this.commits.untilEnded(owned);
  }

  async #connectAndRead(): Promise<void> {
    try {
      await this.#parts.client.connect();
      if (this.#life.isClosed) return;
      // What looks after the client has been closed where it was stopped meanwhile.
      if (!this.#life.isStopped) this.#parts.recovery.connected();
      this.#parts.client.subscribe(await this.#parts.takingOn.subscription());
    } catch (error) {
      this.#life.fail(error);
      return;
    }
    await this.#parts.reading.run();
  }

  #buffer(chunk: RecordChunk): void {
    this.#parts.recovery.health.read();
    const wanted = chunk.runs().flatMap((run) => {
      const owned = this.#parts.assignment.get(run);
      if (owned?.retired) owned.reading.saw(chunk.offset(run.from));
      // What is read behind a failure may lie beyond a gap that it left: it is read again by whoever comes next.
      if (!owned || owned.retired || this.#life.failure) return [];
      if (!this.#parts.recovery.resets.accepts(owned, chunk, run)) return [];
      const within = this.#parts.bounds ? this.#parts.bounds.cut(owned, chunk, run) : run;
      return within ? [{ owned, run: within }] : [];
    });
    const fetched = new FetchedChunk(chunk, wanted.length);
    for (const { owned, run } of wanted) owned.add({ ...run, fetched });
    this.#listener.onAvailable();
  }

  #onPolled(): void {
    if (!this.#life.failure && !this.#life.isStopped) this.#parts.ends.polled();
    this.#tellDone();
  }

  #onEnded(owned: OwnedPartition): void {
    this.commits.ended(owned);
    this.#onRoom();
  }

  #onError(error: Error): void {
    if (error instanceof KafkaConnectorError && error.fatal) this.#life.fail(error);
    else this.#errors.warn(error);
  }

  #onFailure(error: unknown): void {
    this.#failures.tell("kafka consumer: failed", error);
    this.#listener.onAvailable();
  }
}
