import { KafkaConnectorError } from "../../errors/errors.js";
import type {
  ClientProperties,
  ClusterMetadata,
  ConsumerClient,
  ConsumerListener,
  PollOptions,
  RecordChunk,
  StartingPartition,
  Subscription,
  TopicPartition,
  TopicPartitionOffset,
  TopicPartitionTime,
  Watermarks,
} from "../port.js";
import { toSubscribe } from "../topic-pattern.js";
import { codeOf, connectorError } from "./error-codes.js";
import { brokersOf, CLIENT_TIMEOUTS, type ClientTimeouts, connectClient, connects, within } from "./client-life.js";
import { consumerProperties } from "./default-properties.js";
import { FatalCause } from "./fatal-cause.js";
import { BrokerWatch, LOOK_MS, patienceOf } from "./broker-watch.js";
import { Hurry, leave } from "./leave.js";
import { clusterMetadata } from "./metadata.js";
import { changeAssignment } from "./manual-assignment.js";
import { type NativeCall, NativeCalls, startCall } from "./native-calls.js";
import { type ConsumerFactory, createNativeConsumer, type NativeConsumer, type NativeMessage } from "./native.js";
import { type CallNative, committedOf, offsetsAt, seekAll, watermarksFetchedOf } from "./positions.js";
import { ReadFailures, topicsIn } from "./read-failures.js";
import { RdkafkaChunk } from "./record-chunk.js";
import { PartitionEnds } from "./partition-ends.js";
import { Rebalancer } from "./rebalancer.js";
import { splitProperties } from "./split-properties.js";
import { hearRemadeTopics, tellingTopicIds } from "./topic-ids.js";
import { waitingThreads } from "./waiting-threads.js";
import { CODE, TIMED_OUT } from "../codes.js";

/** One waiting `consume` owns one of libuv's few threads, so it never waits longer than this at a stretch. */
const WAIT_SLICE_MS = 100;

/** librdkafka looks twice a second whether it was polled too late; a second above the limit it has seen it. */
const POLL_CHECK_MS = 1000;
const MAX_POLL_MS = 300_000;

interface Commit {
  readonly resolve: () => void;
  readonly reject: (error: KafkaConnectorError) => void;
  readonly topics: readonly string[];
}

/**
 * A consumer over `consume(n)`, the one call of node-rdkafka with backpressure and with error codes. Long: it is the
 * whole of the port, and its calls depend on one another.
 *
 * `consume(n)` applies its timeout to each message, so a trickle would hold a batch for n timeouts. Hence three steps:
 * take what is queued with no timeout; if that is nothing, wait for one message; then take what came with it.
 *
 *     connect ──► subscribe ──► poll ──► … ──► close: the running poll ends → rebalance handlers end, the commit in flight is
 *                                              answered → native calls end → leave the group (last onRevoke) → closed
 */
export class RdkafkaConsumer implements ConsumerClient {
  readonly #native: NativeConsumer;
  readonly #listener: ConsumerListener;
  readonly #timeouts: ClientTimeouts;
  readonly #brokers: string;
  /** Who matches the names of topics with a pattern. */
  readonly #matcher: "client" | "broker";
  readonly #rebalancer: Rebalancer;
  readonly #ends: PartitionEnds;
  readonly #calls: NativeCalls = new NativeCalls();
  readonly #watch: BrokerWatch;
  readonly #failures: ReadFailures;
  readonly #fatalCause: FatalCause;
  readonly #maxPollMs: number;
  /** When the last native poll ended. */
  #polledAt = Number.POSITIVE_INFINITY;
  #connecting: Promise<void> | undefined;
  #connected = false;
  #polling: Promise<unknown> | undefined;
  /** The last poll had records, so there may be more at once. */
  #hot = false;
  /** An error that followed a record already fetched; the next poll throws it. */
  #deferred: KafkaConnectorError | undefined;
  #commit: Commit | undefined;
  /** An answer to a commit is due, also to one that is no longer awaited. */
  #owesAnswer = false;
  #closing: Promise<void> | undefined;
  readonly #hurry: Hurry = new Hurry();

  constructor(
    properties: ClientProperties,
    listener: ConsumerListener,
    timeouts: ClientTimeouts = CLIENT_TIMEOUTS,
    create: ConsumerFactory = createNativeConsumer,
  ) {
    const own = tellingTopicIds(consumerProperties(properties, listener.onPartitionEnd !== undefined));
    const { client, topic } = splitProperties(own);
    this.#listener = listener;
    this.#timeouts = timeouts;
    this.#brokers = brokersOf(properties);
    this.#matcher = properties["group.protocol"] === "consumer" ? "broker" : "client";
    this.#maxPollMs = Number(properties["max.poll.interval.ms"] ?? MAX_POLL_MS);
    this.#rebalancer = new Rebalancer(
      () => this.#native,
      listener,
      (partitions) => this.#ends.assigned(partitions),
    );
    try {
      this.#native = create(client, topic, this.#rebalancer.onRebalance);
    } catch (error) {
      const what = "librdkafka refuses these consumer properties";
      throw connectorError("INVALID_SETTINGS", what, error, "Correct or remove the property.");
    }
    this.#failures = new ReadFailures(this.#native, this.#call);
    this.#fatalCause = new FatalCause(this.#native);
    this.#native.on("event.error", (error) => {
      const failure = connectorError("CLIENT_FAILED", "The consumer reported an error", error);
      if (failure.clientCode === CODE.fencedInstance) this.#rebalancer.markLost();
      if (this.#connected) this.#watch.onError(failure);
      listener.onError(failure);
    });
    this.#watch = new BrokerWatch({
      reaches: () =>
        this.#call("reach a broker", LOOK_MS, (done) =>
          this.#native.getMetadata({ allTopics: false, timeout: LOOK_MS }, done),
        ).then(
          () => true,
          () => false,
        ),
      wouldReach: () => connects(() => create(client, topic, () => undefined), "consumer", LOOK_MS),
      onAbandoned: (error) => listener.onError(error),
      patienceMs: patienceOf(properties),
    });
    this.#ends = new PartitionEnds(this.#native, (end) => listener.onPartitionEnd?.(end));
    hearRemadeTopics(this.#native, listener);
    this.#native.on("event.stats", ({ message }) => listener.onStatistics?.(message));
    this.#native.on("offset.commit", (error) => this.#onCommit(error));
  }

  connect(): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(this.#closedError("connect"));
    this.#connecting ??= connectClient(this.#native, "consumer", this.#brokers, this.#timeouts.connectMs, {
      onLate: () => void this.#native.disconnect(() => undefined),
      onTrouble: (error) => this.#listener.onError(error),
    }).then(() => {
      this.#connected = true;
    });
    return this.#connecting;
  }

  subscribe(subscription: Subscription): void {
    this.#requireOpen("subscribe");
    this.#failures.onSubscribe(subscription);
    try {
      if (subscription.kind === "assignment") this.#native.assign(subscription.partitions);
      else this.#native.subscribe(toSubscribe(subscription, this.#matcher));
    } catch (error) {
      throw connectorError("CLIENT_FAILED", "The consumer could not subscribe", error);
    }
  }

  addPartitions(partitions: readonly StartingPartition[]): void {
    this.#requireOpen("read more partitions");
    changeAssignment(this.#native, "incrementalAssign", partitions);
  }

  removePartitions(partitions: readonly TopicPartition[]): void {
    this.#requireOpen("give partitions up");
    changeAssignment(this.#native, "incrementalUnassign", partitions);
  }

  async poll(options: PollOptions): Promise<RecordChunk | undefined> {
    this.#requireOpen("poll");
    if (this.#polling !== undefined) {
      throw new KafkaConnectorError(
        "POLL_FAILED",
        "A poll is running. Await it before the next one: two would reorder records.",
      );
    }
    const fetching = this.#fetch(options.maxRecords, options.waitMs);
    this.#polling = fetching;
    try {
      const messages = await fetching;
      this.#hot = messages.length > 0;
      return this.#hot ? new RdkafkaChunk(messages) : undefined;
    } finally {
      this.#polling = undefined;
    }
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.#setPaused("pause", partitions);
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#setPaused("resume", partitions);
  }

  seek(positions: readonly TopicPartitionOffset[], timeoutMs: number): Promise<void> {
    return seekAll(this.#native, this.#call, positions, timeoutMs);
  }

  reassign(partitions: readonly StartingPartition[]): void {
    this.#requireOpen("assign again");
    this.#rebalancer.reassign(partitions);
  }

  fetchedWatermarks(partition: TopicPartition): Watermarks | undefined {
    return this.#connected && this.#closing === undefined ? watermarksFetchedOf(this.#native, partition) : undefined;
  }

  commit(positions: readonly TopicPartitionOffset[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#requireOpen("commit");
      if (this.#commit !== undefined) {
        throw new KafkaConnectorError("COMMIT_FAILED", "A commit is in flight. Await it before the next one.", {
          retriable: true,
        });
      }
      if (positions.length === 0) return resolve();
      try {
        this.#native.commit(positions);
      } catch (error) {
        throw connectorError("COMMIT_FAILED", "The client refused to commit", error);
      }
      this.#owesAnswer = true;
      this.#commit = { resolve, reject, topics: [...new Set(positions.map(({ topic }) => topic))] };
    });
  }

  committed(partitions: readonly TopicPartition[], timeoutMs: number): Promise<readonly TopicPartitionOffset[]> {
    return committedOf(this.#native, this.#call, partitions, timeoutMs);
  }

  async watermarks({ topic, partition }: TopicPartition, timeoutMs: number): Promise<Watermarks> {
    const { lowOffset, highOffset } = await this.#call<{ lowOffset: number; highOffset: number }>(
      `read the watermarks of ${topic} ${partition}`,
      timeoutMs,
      (done) => this.#native.queryWatermarkOffsets(topic, partition, timeoutMs, done),
    );
    return { low: lowOffset, high: highOffset };
  }

  offsetsForTimes(times: readonly TopicPartitionTime[], timeoutMs: number): Promise<readonly TopicPartitionOffset[]> {
    return offsetsAt(this.#native, this.#call, times, timeoutMs);
  }

  metadata(topic: string | undefined, timeoutMs: number): Promise<ClusterMetadata> {
    return clusterMetadata(this.#native, this.#call, topic, timeoutMs);
  }

  /** Lets another client use this one off the main thread; closing waits until it has ended. */
  lend<T>(what: string, use: (native: NativeConsumer) => NativeCall<T>): Promise<T> {
    this.#requireOpen(what);
    return this.#calls.track(use(this.#native));
  }

  close({ hurry = false }: { readonly hurry?: boolean } = {}): Promise<void> {
    this.#watch.stop();
    if (hurry) this.#hurry.begin();
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #fetch(maxRecords: number, waitMs: number): Promise<NativeMessage[]> {
    if (this.#deferred !== undefined) {
      const error = this.#deferred;
      this.#deferred = undefined;
      throw error;
    }
    if (this.#hot || waitMs <= 0) {
      const queued = await this.#consume(maxRecords, 0);
      if (queued.length > 0 || waitMs <= 0) return queued;
    }
    const messages = await this.#awaitFirst(waitMs);
    if (messages.length === 0 || maxRecords <= 1) return messages;
    try {
      const rest = await this.#consume(maxRecords - 1, 0);
      rest.unshift(messages[0] as NativeMessage);
      return rest;
    } catch (error) {
      this.#deferred = error as KafkaConnectorError;
      return messages;
    }
  }

  async #awaitFirst(waitMs: number): Promise<NativeMessage[]> {
    const deadline = performance.now() + waitMs;
    for (let left = waitMs; ; left = Math.ceil(deadline - performance.now())) {
      if (left <= 0 || this.#closing !== undefined) return [];
      const messages = await waitingThreads.wait(Math.min(left, WAIT_SLICE_MS), (ms) => this.#consume(1, ms));
      if (messages.length > 0) return messages;
    }
  }

  #consume(count: number, timeoutMs: number): Promise<NativeMessage[]> {
    // The client has left its group by then; it revokes first, and reports the reason later.
    if (performance.now() - this.#polledAt > this.#maxPollMs + POLL_CHECK_MS) this.#rebalancer.markLost();
    this.#ends.begin();
    return new Promise((resolve, reject) => {
      this.#native.setDefaultConsumeTimeout(timeoutMs);
      this.#native.consume(count, (error, messages) => {
        this.#polledAt = performance.now();
        if (error === null || error === undefined) return resolve(messages);
        const code = codeOf(error);
        if (code === CODE.partitionEof || code === CODE.timedOut) return resolve([]);
        if (code === CODE.maxPollExceeded || code === CODE.fatal) this.#rebalancer.markLost();
        const failed = this.#fatalCause.of(error).then((cause) => this.#failures.of(cause));
        void failed.then(reject);
      });
    });
  }

  #setPaused(call: "pause" | "resume", partitions: readonly TopicPartition[]): void {
    if (partitions.length === 0 || !this.#connected || this.#closing !== undefined) return;
    this.#ends.setPaused(call, partitions);
    try {
      this.#native[call](partitions);
    } catch (error) {
      // A rebalance may have taken the partitions a moment ago; what is gone needs no pause.
      const code = codeOf(error);
      if (code === CODE.unknownPartition || code === CODE.unknownTopic) return;
      throw connectorError("CLIENT_FAILED", `The consumer could not ${call} partitions`, error);
    }
  }

  #onCommit(error: unknown): void {
    const commit = this.#commit;
    this.#commit = undefined;
    this.#owesAnswer = false;
    if (error === undefined || error === null) return commit?.resolve();
    const code = codeOf(error);
    if (code === CODE.unknownMember || code === CODE.fencedInstance) this.#rebalancer.markLost();
    const of = topicsIn(code, commit?.topics ?? []);
    const what = `The broker refused the commit${of && ` for${of}`}`;
    void this.#fatalCause.of(error).then((cause) => commit?.reject(connectorError("COMMIT_FAILED", what, cause)));
  }

  readonly #call: CallNative = (what, timeoutMs, call) => {
    const failure = `The consumer could not ${what}`;
    const late = `${failure}: the client has not answered within ${timeoutMs} ms. Check that the brokers are up, and ask again.`;
    const options = {
      timeoutMs,
      failed: (error: unknown) => connectorError("CLIENT_FAILED", failure, error),
      late: () => new KafkaConnectorError("CLIENT_FAILED", late, TIMED_OUT),
    };
    return this.#calls.track(
      startCall(options, (done: Parameters<typeof call>[0]) => {
        this.#requireOpen(what);
        call(done);
      }),
    );
  };

  async #close(): Promise<void> {
    const deadline = performance.now() + this.#timeouts.closeMs;
    await this.#connecting?.catch(() => undefined);
    const polled = this.#polling?.catch(() => undefined);
    if (polled !== undefined) await within(polled, deadline);
    try {
      if (this.#connected) await this.#leave(deadline);
    } finally {
      this.#connected = false;
      this.#commit?.reject(
        new KafkaConnectorError(
          "CONSUMER_CLOSED",
          "The consumer closed before a commit was answered; it may be stored.",
        ),
      );
      this.#commit = undefined;
    }
  }

  #leave(deadline: number): Promise<void> {
    const leaving = {
      native: this.#native,
      rebalancer: this.#rebalancer,
      calls: this.#calls,
      timeouts: this.#timeouts,
      hurry: this.#hurry,
      isCommitting: () => this.#owesAnswer,
      serve: (timeoutMs: number) => this.#consume(1, timeoutMs).catch((error: unknown) => error),
    };
    return leave(leaving, deadline);
  }

  #requireOpen(call: string): void {
    if (this.#closing !== undefined) throw this.#closedError(call);
    if (!this.#connected) {
      throw new KafkaConnectorError(
        "CLIENT_FAILED",
        `Cannot ${call}: the consumer is not connected. Await connect() first.`,
      );
    }
  }

  #closedError(call: string): KafkaConnectorError {
    return new KafkaConnectorError("CONSUMER_CLOSED", `Cannot ${call}: the consumer is closed. Make a new one.`);
  }
}
