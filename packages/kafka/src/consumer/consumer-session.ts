import type { Clock, Logger } from "@millrace/streams";
import type { ConsumerListener, RecordChunk, TopicPartitionOffset } from "../client/port.js";
import { RenewableClient } from "../client/renewable-client.js";
import { RepeatedErrors } from "../client/repeated-errors.js";
import { LatestStatistics } from "../client/statistics.js";
import type { DecoderUnavailableError } from "../errors/decoder-unavailable-error.js";
import { KafkaConnectorError } from "../errors/errors.js";
import { Auditor } from "../ledger/auditor.js";
import type { DeadLetterWriter } from "../dead-letters/dead-letter-writer.js";
import type { FailureLog } from "../logging/failure-log.js";
import { LimitedLog } from "../logging/limited-log.js";
import { isDeadLetters } from "../settings/dead-letter-settings.js";
import type { ParsedConsumer } from "../settings/parse-consumer.js";
import type { UndecodableSetting } from "../settings/undecodable-settings.js";
import { SessionCommands } from "./session-commands.js";
import { Commits } from "./committing/commits.js";
import { Deliveries, type DeliveryListener } from "./deliveries.js";
import { Assignment } from "./partitions/assignment.js";
import { Letters } from "./letters.js";
import { FetchedChunk } from "./partitions/fetched-chunk.js";
import type { OwnedPartition, PartitionListener } from "./partitions/owned-partition.js";
import { SessionLife, type SessionLifeListener } from "./partitions/session-life.js";
import { FlowControl } from "./reading/flow-control.js";
import { HeldRecords } from "./reading/held-records.js";
import { type ReadListener, ReadLoop } from "./reading/read-loop.js";
import type { Delivery } from "./reading/turns.js";
import { Rebalancing, type RebalancingListener } from "./rebalancing/rebalancing.js";
import { Seeking, type SeekingListener } from "./rebalancing/seeking.js";
import type { SessionContext } from "./rebalancing/session-context.js";
import type { HealthReason } from "./recovery/health.js";
import { Recovery } from "./recovery/recovery.js";
import { StallWatch } from "./recovery/stall-watch.js";

export interface SessionListener extends DeliveryListener {
  /** Given where each partition has a stream of its own. */
  onAssigned?(partitions: readonly OwnedPartition[]): void;
  onGivenUp?(partitions: readonly OwnedPartition[]): void;
  /** Whether the stream of the partition has not been run yet. */
  isWaiting?(owned: OwnedPartition): boolean;
  /** Reading of the partition goes on at another offset, in the same stream. */
  onReplaced?(before: OwnedPartition, after: OwnedPartition): void;
}

export interface SessionOptions {
  readonly settings: ParsedConsumer;
  readonly logger: Logger;
  readonly failures: FailureLog;
  readonly clock: Clock;
  /** Records carry their claims; otherwise offsets come back in order, or not at all. */
  readonly withContext: boolean;
  readonly letters: () => DeadLetterWriter;
  readonly listener: SessionListener;
}

/** All that may happen to a session, whoever reports it. */
type Happenings = ConsumerListener &
  ReadListener &
  PartitionListener &
  RebalancingListener &
  SeekingListener &
  SessionLifeListener;

/** A budget counts single records: of records that share a claim it is not known which are finished. */
const claimBound = ({ maxInFlight, maxReplay }: ParsedConsumer, withContext: boolean): number =>
  withContext ? Number.POSITIVE_INFINITY : Math.max(maxInFlight, maxReplay.records ?? 0);

/**
 * One consumer client at work. It is read from `start` until the client is closed; what the stream does not take yet
 * waits in bounded buffers, one per partition.
 *
 *     start ──► running ──► stopped (delivers nothing, polls on for commits) ──► shut down (commits done, client closed)
 *
 * Long: everything meets here, what its stream asks of it and what happens to it.
 */
export class ConsumerSession {
  /** What the user may do to it, and ask of it. */
  readonly commands: SessionCommands;
  /** The one door for commits. */
  readonly commits: Commits;
  readonly letters: Letters;
  /** Stages that may be kept from their work, which say by what. */
  readonly stageTroubles: Set<() => HealthReason | undefined> = new Set();
  readonly #context: SessionContext;
  readonly #failures: FailureLog;
  readonly #errors: RepeatedErrors;
  readonly #listener: SessionListener;
  readonly #rebalancing: Rebalancing;
  readonly #seeking: Seeking;
  readonly #recovery: Recovery;
  readonly #statistics = new LatestStatistics();
  readonly #deliveries: Deliveries;
  readonly #held: HeldRecords;
  readonly #leftOut: LimitedLog;
  #loop: Promise<void> | undefined;
  #shutdown: Promise<void> | undefined;
  #leaks = false;

  constructor({ settings, logger, failures, clock, withContext, letters, listener }: SessionOptions) {
    this.#failures = failures;
    this.#errors = new RepeatedErrors(logger, "kafka consumer: client error", () => clock.now());
    this.#listener = listener;
    const happenings = this.#happenings(settings);
    const life = new SessionLife(happenings);
    const auditor = new Auditor();
    const assignment = new Assignment(auditor, claimBound(settings, withContext), happenings);
    const client = new RenewableClient({
      make: (heard) => settings.driver.consumer(settings.properties, heard),
      listener: happenings,
      ...{ clock, logger, heldForMs: settings.heldPositionsTimeoutMs },
    });
    const limits = { ...settings, withContext, partitioned: listener.onAssigned !== undefined };
    const flow = new FlowControl(limits, client, () => assignment.partitions);
    const isCommitting = (): boolean => this.commits.busy;
    const { maxPollRecords } = settings;
    const reading = new ReadLoop({
      ...{ client, clock, logger, flow, maxPollRecords, life, isCommitting },
      listener: happenings,
    });
    const commits = new Commits({ settings, client, clock, logger, life, auditor, assignment, reading });
    const context = { settings, clock, logger, life, client, assignment, reading, commits };
    this.#context = context;
    this.commits = commits;
    this.#rebalancing = new Rebalancing(context, happenings);
    this.#seeking = new Seeking(context, this.#rebalancing, happenings);
    this.#recovery = new Recovery(context, this.#rebalancing, this.#seeking);
    const stall = new StallWatch(clock, logger, () => this.commands.explain().toString());
    this.#deliveries = new Deliveries(context, this.#rebalancing.bounds, { stall, listener });
    this.#held = new HeldRecords(clock, logger);
    this.#leftOut = new LimitedLog(logger, () => clock.now());
    this.letters = new Letters(context, this.#held, letters);
    this.commands = new SessionCommands(context, {
      deliveries: this.#deliveries,
      rebalancing: this.#rebalancing,
      seeking: this.#seeking,
      recovery: this.#recovery,
      statistics: this.#statistics,
      held: this.#held,
      stageTroubles: this.stageTroubles,
      isWaiting: (owned) => listener.isWaiting?.(owned) === true,
    });
  }

  /** The list of what may happen to it, beside what its stream and its user ask of it. */
  #happenings({ until, groupId }: ParsedConsumer): Happenings {
    return {
      // The client reports, while it polls.
      onAssign: (partitions) => this.#rebalancing.assigned(partitions),
      startOf: (partition) => this.#rebalancing.startOf(partition),
      onRevoke: (partitions) => this.#rebalancing.revoked(partitions),
      onLost: (partitions) => this.#rebalancing.lost(partitions),
      onError: (error) => this.#onError(error),
      onTopicRemade: (topic) => void this.#recovery.remadeTopics.remade(topic),
      onStatistics: (json) => this.#statistics.tell(json),
      ...((until || groupId) && { onPartitionEnd: (end: TopicPartitionOffset) => this.#recovery.ends.tell(end) }),
      // Polls return.
      onChunk: (chunk) => this.#buffer(chunk),
      onPolled: () => this.#onPolled(),
      onPollFailed: (error) => this.#recovery.pollFailed(error),
      // Partitions come, change and go.
      onTaken: (partitions, committed) => {
        this.#recovery.taken(partitions, committed);
        this.#listener.onAssigned?.(partitions);
      },
      onGivenUp: (partitions) => this.#listener.onGivenUp?.(partitions),
      onReplaced: (before, after) => this.#listener.onReplaced?.(before, after),
      // Claims end, and bounds let more out.
      onEnded: (owned) => this.#onEnded(owned),
      onRoom: () => this.#deliveries.onRoom(),
      // A part fails.
      mends: (error) => this.#recovery.mends(error),
      onFailure: (error) => this.#onFailure(error),
    };
  }

  start(): void {
    this.#loop = this.#connectAndRead();
    if (isDeadLetters(this.undecodable)) this.letters.check(this.undecodable);
    this.#recovery.start();
  }

  /** What the stream failed with, once the buffers have been taken. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#context.life.failure;
  }

  /** Up to `records` records to deliver now: a run of each partition in turn, or of `only`, within its bounds. */
  take(records: number, only?: OwnedPartition): readonly Delivery[] {
    return this.#deliveries.take(records, only);
  }

  /** What was taken has been read, or given back. */
  taken(): void {
    this.#deliveries.tellDone();
  }

  /** What becomes of records that cannot be decoded. */
  get undecodable(): UndecodableSetting {
    return this.#context.settings.undecodable;
  }

  /** A record is left out. */
  discarded(reason: string, error: unknown): void {
    this.#leftOut.warn(`kafka consumer: a record was left out: ${reason}`, { error });
  }

  /** A record cannot be decoded yet: it, and what was taken behind it, comes again later. */
  putOff({ owned, run }: Delivery, index: number, error: DecoderUnavailableError): void {
    owned.buffer.putOff(run, index, "waiting");
    this.#held.untilDecoder(owned, run.fetched.chunk.offset(index), error);
  }

  /** Records of this partition are no longer taken, and those in flight will never be finished. */
  abandonPartition(owned: OwnedPartition): void {
    owned.abandon();
    this.commits.check();
  }

  /** Reads an abandoned partition again, in a new epoch, from its last unfinished record; `undefined` if it is gone. */
  readAgain(owned: OwnedPartition): Promise<OwnedPartition | undefined> {
    return this.#seeking.again(owned);
  }

  get isStopped(): boolean {
    return this.#context.life.isStopped;
  }

  /** Claims are opened with the sizes of their records. */
  get countsBytes(): boolean {
    return this.#context.settings.maxInFlightBytes !== undefined;
  }

  /** Commits everything that is finished at the end of a stream; closing does that as well. */
  async commitRemaining(): Promise<void> {
    if (!this.#shutdown) return this.commits.remaining();
    await this.#shutdown;
    if (this.#leaks) await this.commits.now();
  }

  /** All that it owns, partitions that are being given up included. */
  get partitions(): Iterable<OwnedPartition> {
    return this.#context.assignment.partitions;
  }

  /** Commits asked for after closing are then skipped: their records are read again, as all that was in flight. */
  streamFailed(): void {
    this.#context.life.streamFailed();
  }

  /** Delivers nothing more; claims in flight may end, and commits go on. */
  stop(): void {
    this.#context.life.stop();
    this.#deliveries.stop();
    this.#held.close();
    this.#recovery.close();
    for (const owned of this.#context.assignment.partitions) owned.drop();
    this.#context.reading.wake();
  }

  /** Stops; records in flight will never be finished. */
  abandon(): void {
    this.#context.life.abandon();
    this.stop();
    this.commits.check();
  }

  /** Stops, lets commits under way finish, leaves the group, closes. Idempotent. */
  shutdown(): Promise<void> {
    this.#shutdown ??= this.#shutDown();
    return this.#shutdown;
  }

  /** Stops waiting: gives up what is in flight, and closes the client without its brokers' answers. */
  letGo(): void {
    const { life, client, reading } = this.#context;
    this.abandon();
    life.close();
    reading.close();
    client.close({ hurry: true }).catch(() => undefined);
    this.shutdown().catch(() => undefined);
  }

  /** Claims were open when the consumer closed, though the stream had neither failed nor been cancelled. */
  get leaks(): boolean {
    return this.#leaks;
  }

  async #shutDown(): Promise<void> {
    const { life, client, assignment, reading, settings } = this.#context;
    this.stop();
    if (this.#listener.onAssigned) await this.#untilPartitionsEnded();
    const open = [...assignment.partitions].some((owned) => !owned.isIdle);
    this.#leaks = open && this.commits.begun && !life.isDead;
    let failure: unknown;
    try {
      if (this.commits.owed) await this.commits.remaining();
    } catch (error) {
      failure = error;
    }
    // Awaited only where there is a handler: in an extra turn another poll would begin.
    if (settings.handlers.onStop) await this.#rebalancing.handlers.call("onStop", [...assignment.partitions]);
    // Closed in the turn in which it is idle: a commit accepted between the two would find the client closed.
    while (this.commits.busy) await this.commits.settled();
    this.commits.close();
    life.close();
    reading.close();
    this.commits.check();
    // The client's close waits for a running poll and serves its own last revocation.
    await client.close();
    await this.#loop;
    await this.letters.close();
    this.#rebalancing.giveUp([...assignment.partitions]);
    if (failure !== undefined) throw failure;
  }

  /** Streams of partitions are runs of their own, which may go on when the one that emitted them has ended. */
  async #untilPartitionsEnded(): Promise<void> {
    const owned = [...this.#context.assignment.partitions];
    if (this.#context.life.isDead || owned.every(({ isIdle }) => isIdle)) return;
    await this.commits.untilEnded(owned);
  }

  async #connectAndRead(): Promise<void> {
    const { life, client, reading } = this.#context;
    try {
      await client.connect();
      if (life.isClosed) return;
      // If the session was stopped meanwhile, recovery is closed.
      if (!life.isStopped) this.#recovery.connected();
      client.subscribe(await this.#rebalancing.subscription());
    } catch (error) {
      life.fail(error);
      return;
    }
    await reading.run();
  }

  #buffer(chunk: RecordChunk): void {
    const { assignment, life } = this.#context;
    this.#recovery.health.read();
    const wanted = chunk.runs().flatMap((run) => {
      const owned = assignment.get(run);
      if (owned?.retired) owned.reading.saw(chunk.offset(run.from));
      // What is read after a failure may lie beyond a gap that it left: the next owner reads it again.
      if (!owned || owned.retired || life.failure) return [];
      if (!this.#recovery.resets.accepts(owned, chunk, run)) return [];
      const within = this.#rebalancing.bounds ? this.#rebalancing.bounds.cut(owned, chunk, run) : run;
      return within ? [{ owned, run: within }] : [];
    });
    const fetched = new FetchedChunk(chunk, wanted.length);
    for (const { owned, run } of wanted) owned.add({ ...run, fetched });
    this.#listener.onAvailable();
  }

  #onPolled(): void {
    if (!this.#context.life.failure && !this.#context.life.isStopped) this.#recovery.ends.polled();
    this.#deliveries.tellDone();
  }

  #onEnded(owned: OwnedPartition): void {
    this.commits.ended(owned);
    this.#deliveries.onRoom();
  }

  #onError(error: Error): void {
    this.#recovery.heard(error);
    if (error instanceof KafkaConnectorError && error.fatal) this.#context.life.fail(error);
    else this.#errors.warn(error);
  }

  #onFailure(error: unknown): void {
    this.#failures.tell("kafka consumer: failed", error);
    this.#listener.onAvailable();
  }
}
