import type { Logger } from "@millrace/streams";
import type { ConsumerClient, KafkaDriver, TopicPartition } from "../client/port.js";
import type { OffsetOwner, PositionToCommit } from "../committable-offset.js";
import { KafkaConnectorError } from "../errors.js";
import type { ParsedConsumer } from "../settings.js";
import { Assignment } from "./assignment.js";
import { OffsetCommitter } from "./offset-committer.js";
import { type BufferedRun, RecordBuffer } from "./record-buffer.js";

/** The longest a poll waits for its first record: how late a rebalance or commit result may be noticed. */
const POLL_WAIT_MS = 50;
/** The same while a commit waits for its answer. */
const COMMIT_WAIT_MS = 5;
/** Wait after an error that polling may outlive. */
const RETRY_POLL_MS = 200;
/** How long a revocation waits for commits already asked for. */
const REVOKE_COMMIT_MS = 5000;

export interface SessionListener {
  /** There may be records to take, or the session failed. */
  onAvailable(): void;
}

/**
 * One consumer client at work. Its loop polls from `start` until the client is closed, because rebalances and commit
 * results are served only by polling; what the stream does not take yet waits in a bounded buffer.
 *
 *     start ──► running ──► stopped (delivers nothing, polls on for commits) ──► shut down (commits done, client closed)
 */
export class ConsumerSession implements OffsetOwner {
  readonly groupId: string;
  readonly #settings: ParsedConsumer;
  readonly #logger: Logger;
  readonly #listener: SessionListener;
  readonly #client: ConsumerClient;
  readonly #committer: OffsetCommitter;
  readonly #assignment = new Assignment();
  readonly #buffer = new RecordBuffer();
  #paused: readonly TopicPartition[] = [];
  #lastPollMs = 0;
  #stopped = false;
  #closing = false;
  #failure: { readonly error: unknown } | undefined;
  #roomMade: () => void = () => undefined;
  #loop: Promise<void> | undefined;
  #shutdown: Promise<void> | undefined;

  constructor(settings: ParsedConsumer, driver: KafkaDriver, logger: Logger, listener: SessionListener) {
    this.#settings = settings;
    this.#logger = logger;
    this.#listener = listener;
    this.groupId = settings.groupId ?? "";
    this.#client = driver.consumer(settings.properties, {
      onAssign: (partitions) => this.#onAssign(partitions),
      onRevoke: (partitions) => this.#onRevoke(partitions),
      onError: (error) => this.#onError(error),
    });
    this.#committer = new OffsetCommitter({
      client: this.#client,
      commitTimeoutMs: settings.commitTimeoutMs,
      owns: ({ topic, partition, epoch }) => this.#assignment.epoch(topic, partition) === epoch,
    });
  }

  start(): void {
    this.#loop = this.#connectAndPoll();
  }

  /** What the stream failed with, once the buffer has been taken. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  take(): readonly BufferedRun[] {
    const runs = this.#buffer.take();
    if (runs.length > 0) this.#roomMade();
    return runs;
  }

  commit(positions: readonly PositionToCommit[]): Promise<void> {
    const committed = this.#committer.commit(positions);
    // The loop may be waiting for room, and only a poll serves the answer.
    this.#roomMade();
    return committed;
  }

  /** Delivers nothing more; commits go on. */
  stop(): void {
    this.#stopped = true;
    this.#buffer.clear();
    this.#roomMade();
  }

  /** Stops, lets commits under way finish, leaves the group, closes. Idempotent. */
  shutdown(): Promise<void> {
    this.#shutdown ??= this.#shutDown();
    return this.#shutdown;
  }

  async #shutDown(): Promise<void> {
    this.stop();
    // Closed in the turn in which it is idle: a commit accepted between the two would find the client closed.
    while (this.#committer.busy) await this.#committer.settled();
    this.#committer.close();
    this.#closing = true;
    this.#roomMade();
    // The client's close waits for a running poll and serves its own last revocation.
    await this.#client.close();
    await this.#loop;
  }

  async #connectAndPoll(): Promise<void> {
    try {
      await this.#client.connect();
      if (this.#closing) return;
      if (this.#settings.subscription.kind === "assignment")
        this.#assignment.add(this.#settings.subscription.partitions);
      this.#client.subscribe(this.#settings.subscription);
    } catch (error) {
      this.#fail(error);
      return;
    }
    while (!this.#closing) {
      try {
        await this.#step();
      } catch (error) {
        await this.#onStepFailed(error);
      }
    }
  }

  async #onStepFailed(error: unknown): Promise<void> {
    if (this.#closing) return;
    if (!(error instanceof KafkaConnectorError && error.retriable)) this.#fail(error);
    else this.#logger.warn("kafka consumer: poll failed, trying again", { error });
    await this.#untilRoom(RETRY_POLL_MS);
  }

  /**
   * Reads when there is room for a whole read: a read of few records costs as much as one of many. Until then it goes on
   * polling for one record a time, because rebalances and commits are answered by nothing else. What comes of that has as
   * much room again; only then are partitions paused, for a pause makes the client throw its prefetch away.
   */
  async #step(): Promise<void> {
    const { maxPollRecords, maxBufferedRecords } = this.#settings;
    const room = this.#stopped ? 0 : maxBufferedRecords - this.#buffer.size;
    if (room >= Math.min(maxPollRecords, Math.ceil(maxBufferedRecords / 2))) {
      if (this.#paused.length > 0) this.#resume();
      await this.#poll(Math.min(room, maxPollRecords));
      return;
    }
    if (this.#stopped || room <= -maxBufferedRecords) this.#pause();
    else {
      const dueMs = this.#lastPollMs + this.#waitMs - performance.now();
      if (dueMs > 0) {
        await this.#untilRoom(dueMs);
        return;
      }
    }
    await this.#poll(1);
  }

  #untilRoom(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#roomMade = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  get #waitMs(): number {
    return this.#committer.busy ? COMMIT_WAIT_MS : POLL_WAIT_MS;
  }

  async #poll(maxRecords: number): Promise<void> {
    const chunk = await this.#client.poll({ maxRecords, waitMs: this.#waitMs });
    this.#lastPollMs = performance.now();
    if (!chunk || this.#stopped) return;
    this.#buffer.add(chunk, (topic, partition) => this.#assignment.deliveryEpoch(topic, partition));
    this.#listener.onAvailable();
  }

  /** Pauses what is assigned and not paused yet: a rebalance brings partitions unpaused. */
  #pause(): void {
    const owned = this.#assignment.partitions;
    if (this.#paused.length === owned.length && this.#paused.every((each, index) => each === owned[index])) return;
    this.#paused = owned;
    this.#client.pause(owned);
  }

  #resume(): void {
    const paused = this.#paused;
    this.#paused = [];
    this.#client.resume(
      paused.filter(({ topic, partition }) => this.#assignment.epoch(topic, partition) !== undefined),
    );
  }

  #onAssign(partitions: readonly TopicPartition[]): void {
    this.#assignment.add(partitions);
    this.#logger.info("kafka consumer: partitions assigned", { groupId: this.groupId, partitions });
  }

  async #onRevoke(partitions: readonly TopicPartition[]): Promise<void> {
    this.#assignment.retire(partitions);
    const dropped = this.#buffer.drop(partitions);
    this.#roomMade();
    if (this.#committer.busy && !this.#closing) await this.#settledWithin(REVOKE_COMMIT_MS);
    // Fenced only now: fencing first would refuse commits of finished work and replay it.
    this.#assignment.remove(partitions);
    this.#logger.info("kafka consumer: partitions revoked", { groupId: this.groupId, partitions, dropped });
  }

  #settledWithin(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      void this.#committer.settled().then(() => {
        clearTimeout(timer);
        resolve();
      });
    });
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
