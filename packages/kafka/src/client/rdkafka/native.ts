import { createRequire } from "node:module";
import Kafka from "node-rdkafka";

/**
 * The only file that imports node-rdkafka: the calls the driver makes, typed as they behave rather than as they are
 * declared, and the two constructors.
 */

export interface NativeTopicPartition {
  readonly topic: string;
  readonly partition: number;
  readonly offset?: number | "beginning" | "end";
}

export interface NativeMessage {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestamp?: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: readonly Readonly<Record<string, Buffer>>[];
}

export interface NativeReport {
  readonly partition: number;
  readonly offset: number;
  readonly opaque: number;
}

/** What node-rdkafka hands over for an error: sometimes an `Error`, sometimes `{ message, code }`, sometimes its own class. */
export type NativeError = unknown;

type Done<T = void> = (error: NativeError | null | undefined, result: T) => void;

interface NativeClient {
  connect(options: { readonly allTopics: boolean; readonly timeout: number }, done: Done<unknown>): unknown;
  on(event: "event.error", listener: (error: NativeError) => void): unknown;
}

export interface NativeConsumer extends NativeClient {
  on(event: "event.error", listener: (error: NativeError) => void): unknown;
  on(event: "offset.commit", listener: (error: NativeError | undefined) => void): unknown;
  setDefaultConsumeTimeout(timeoutMs: number): void;
  consume(count: number, done: Done<NativeMessage[]>): void;
  subscribe(topics: readonly string[]): unknown;
  assign(partitions: readonly NativeTopicPartition[]): unknown;
  unassign(): unknown;
  incrementalAssign(partitions: readonly NativeTopicPartition[]): unknown;
  incrementalUnassign(partitions: readonly NativeTopicPartition[]): unknown;
  rebalanceProtocol(): string;
  pause(partitions: readonly NativeTopicPartition[]): unknown;
  resume(partitions: readonly NativeTopicPartition[]): unknown;
  commit(partitions: readonly NativeTopicPartition[]): unknown;
  committed(
    partitions: readonly NativeTopicPartition[],
    timeoutMs: number,
    /** A partition that failed comes as an `Error` in the list; one without a position comes without `offset`. */
    done: Done<(Error | { topic: string; partition: number; offset?: number })[]>,
  ): unknown;
  queryWatermarkOffsets(
    topic: string,
    partition: number,
    timeoutMs: number,
    done: Done<{ lowOffset: number; highOffset: number }>,
  ): unknown;
  disconnect(done: Done<unknown>): unknown;
}

export type NativeHeaders = readonly Readonly<Record<string, string>>[];

export interface NativeProducer extends NativeClient {
  on(event: "event.error", listener: (error: NativeError) => void): unknown;
  on(event: "delivery-report", listener: (error: NativeError | null, report: NativeReport) => void): unknown;
  produce(
    topic: string,
    partition: number | null,
    value: Buffer | null,
    key: Buffer | null,
    timestamp: number | null,
    opaque: number,
    headers?: NativeHeaders,
  ): unknown;
  poll(): unknown;
  initTransactions(timeoutMs: number, done: Done): unknown;
  beginTransaction(done: Done): unknown;
  /** Reads the consumer's membership in a thread of its own, and crashes where the consumer has disconnected. */
  sendOffsetsToTransaction(
    offsets: readonly NativeTopicPartition[],
    consumer: NativeConsumer,
    timeoutMs: number,
    done: Done,
  ): unknown;
  commitTransaction(timeoutMs: number, done: Done): unknown;
  abortTransaction(timeoutMs: number, done: Done): unknown;
  disconnect(flushTimeoutMs: number, done: Done<unknown>): unknown;
}

/** -175 is an assignment, -174 a revocation; anything else is an error that ends the assignment. */
export type RebalanceCallback = (
  event: { readonly code?: number } | undefined,
  partitions: NativeTopicPartition[],
) => void;

type Level = Readonly<Record<string, string | number | boolean>>;
export type ConsumerFactory = (client: Level, topic: Level, rebalance: RebalanceCallback) => NativeConsumer;
export type ProducerFactory = (client: Level, topic: Level) => NativeProducer;

// The casts: the declared callbacks do not say that errors may be absent.
export const createNativeConsumer: ConsumerFactory = (client, topic, rebalance) =>
  new Kafka.KafkaConsumer(
    { ...client, rebalance_cb: rebalance, offset_commit_cb: true },
    { ...topic },
  ) as unknown as NativeConsumer;

export const createNativeProducer: ProducerFactory = (client, topic) =>
  new Kafka.Producer({ ...client, dr_cb: true }, { ...topic }) as unknown as NativeProducer;

/** Every error code of the linked librdkafka by name; some codes have two names. */
export const errorCodes: Readonly<Record<string, number>> = Kafka.CODES.ERRORS;

/** librdkafka's text for a code, for example `Local: Message timed out`. */
export const errorText: (code: number) => string = (
  createRequire(import.meta.url)("node-rdkafka/librdkafka.js") as { readonly err2str: (code: number) => string }
).err2str;
