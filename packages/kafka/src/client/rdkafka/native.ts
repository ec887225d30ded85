import { createRequire } from "node:module";
import { KafkaConnectorError } from "../../errors/errors.js";

/**
 * The calls the driver makes of a binding to librdkafka, typed as they behave rather than as they are declared, and the
 * two constructors. The only file that loads node-rdkafka, and only when the first client is made: two bindings that were
 * both compiled against a shared librdkafka would share the one that was loaded first.
 */

export interface NativeTopicPartition {
  readonly topic: string;
  readonly partition: number;
  readonly offset?: number | "beginning" | "end";
  readonly metadata?: string;
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
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly opaque: number;
}

/** What node-rdkafka hands over for an error: sometimes an `Error`, sometimes `{ message, code }`, sometimes its own class. */
export type NativeError = unknown;

type Done<T = void> = (error: NativeError | null | undefined, result: T) => void;

/** `metadata` is what was committed with the offset, from bindings that hand it over. */
export interface NativeCommitted {
  readonly topic: string;
  readonly partition: number;
  readonly offset?: number;
  readonly metadata?: string;
}

/** The next offset of a partition that had nothing more. */
export interface NativeEnd {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** Errors of single topics are lost on the way; such a topic has no partitions. */
export interface NativeMetadata {
  readonly brokers: readonly { readonly id: number; readonly host: string; readonly port: number }[];
  readonly topics: readonly {
    readonly name: string;
    readonly partitions: readonly {
      readonly id: number;
      /** -1 where none leads. */
      readonly leader: number;
      readonly replicas: readonly number[];
      readonly isrs: readonly number[];
    }[];
  }[];
}

/** The name of a binding, and what its librdkafka was built with. */
export interface Build {
  readonly name: string;
  /** librdkafka's names, such as those of codecs. */
  readonly features: readonly string[];
}

interface NativeClient {
  /** `message` is JSON; comes inside a poll. */
  on(event: "event.stats", listener: (statistics: { readonly message: string }) => void): unknown;
  connect(options: { readonly allTopics: boolean; readonly timeout: number }, done: Done<unknown>): unknown;
  on(event: "event.error", listener: (error: NativeError) => void): unknown;
  /** `fac` is librdkafka's name of the kind of message. */
  on(event: "event.log", listener: (entry: { readonly fac: string; readonly message: string }) => void): unknown;
  /** Fails where no broker is reached in time. */
  getMetadata(options: { readonly allTopics: boolean; readonly timeout: number }, done: Done<NativeMetadata>): unknown;
}

export interface NativeConsumer extends NativeClient {
  readonly build: Build;
  on(event: "event.stats", listener: (statistics: { readonly message: string }) => void): unknown;
  on(event: "event.error", listener: (error: NativeError) => void): unknown;
  on(event: "event.log", listener: (entry: { readonly fac: string; readonly message: string }) => void): unknown;
  on(event: "offset.commit", listener: (error: NativeError | undefined) => void): unknown;
  /** Before the messages of the `consume` that met the end are handed over. */
  on(event: "partition.eof", listener: (end: NativeEnd) => void): unknown;
  setDefaultConsumeTimeout(timeoutMs: number): void;
  consume(count: number, done: Done<NativeMessage[]>): void;
  subscribe(topics: readonly string[]): unknown;
  unsubscribe(): unknown;
  assign(partitions: readonly NativeTopicPartition[]): unknown;
  unassign(): unknown;
  incrementalAssign(partitions: readonly NativeTopicPartition[]): unknown;
  incrementalUnassign(partitions: readonly NativeTopicPartition[]): unknown;
  assignments(): readonly NativeTopicPartition[];
  rebalanceProtocol(): string;
  /** Whether what is being revoked belongs to others already; node-rdkafka does not say. */
  assignmentLost?(): boolean;
  pause(partitions: readonly NativeTopicPartition[]): unknown;
  resume(partitions: readonly NativeTopicPartition[]): unknown;
  commit(partitions: readonly NativeTopicPartition[]): unknown;
  committed(
    partitions: readonly NativeTopicPartition[],
    timeoutMs: number,
    /** A partition that failed comes as an `Error` in the list; one without a position comes without `offset`. */
    done: Done<(Error | NativeCommitted)[]>,
  ): unknown;
  seek(partition: NativeTopicPartition, timeoutMs: number, done: (error: NativeError | undefined) => void): unknown;
  /** `offset` is a timestamp; a partition that failed comes as an `Error` in the list. */
  offsetsForTimes(
    partitions: readonly NativeTopicPartition[],
    timeoutMs: number,
    done: Done<(Error | NativeCommitted)[]>,
  ): unknown;
  queryWatermarkOffsets(
    topic: string,
    partition: number,
    timeoutMs: number,
    done: Done<{ lowOffset: number; highOffset: number }>,
  ): unknown;
  /** As the last fetch reported; throws for a partition that the client does not know. */
  getWatermarkOffsets(topic: string, partition: number): { readonly lowOffset: number; readonly highOffset: number };
  disconnect(done: Done<unknown>): unknown;
}

export type NativeHeaders = readonly Readonly<Record<string, string | Buffer>>[];

export interface NativeProducer extends NativeClient {
  on(event: "event.stats", listener: (statistics: { readonly message: string }) => void): unknown;
  /** Whether headers may be bytes; node-rdkafka takes text only. */
  readonly takesBytesInHeaders?: boolean;
  on(event: "event.error", listener: (error: NativeError) => void): unknown;
  on(event: "event.log", listener: (entry: { readonly fac: string; readonly message: string }) => void): unknown;
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

export interface NativeAdmin {
  createTopic(
    topic: {
      readonly topic: string;
      readonly num_partitions: number;
      readonly replication_factor: number;
      readonly config: Readonly<Record<string, string>>;
    },
    timeoutMs: number,
    done: Done,
  ): void;
  deleteTopic(topic: string, timeoutMs: number, done: Done): void;
  createPartitions(topic: string, total: number, timeoutMs: number, done: Done): void;
  /** node-rdkafka's; another binding asks for tokens itself. */
  refreshOauthBearerToken?(token: string): void;
  disconnect(): void;
}

/** -175 is an assignment, -174 a revocation; anything else is an error that ends the assignment. */
export type RebalanceCallback = (
  event: { readonly code?: number } | undefined,
  partitions: NativeTopicPartition[],
) => void;

type Level = Readonly<Record<string, string | number | boolean>>;
export type ConsumerFactory = (client: Level, topic: Level, rebalance: RebalanceCallback) => NativeConsumer;
export type ProducerFactory = (client: Level, topic: Level) => NativeProducer;
/** `more`: the first token of node-rdkafka's; the event handlers of Confluent's. */
export type AdminFactory = (client: Level, more?: unknown) => NativeAdmin;

/** A binding to librdkafka: node-rdkafka, or a module with the same calls. */
export interface Binding extends Build {
  readonly KafkaConsumer: new (client: object, topic: object) => object;
  readonly Producer: new (client: object, topic: object) => object;
  readonly AdminClient: { create(client: object, more?: unknown): object };
  /** Every error code of the linked librdkafka by name; some codes have two names. */
  readonly CODES: { readonly ERRORS: Readonly<Record<string, number>> };
  /** librdkafka's text for a code, for example `Local: Message timed out`. */
  readonly err2str: (code: number) => string;
  /** The librdkafka that it is linked with. */
  readonly librdkafkaVersion: string;
}

/** The first binding that was loaded: error codes and their texts are librdkafka's, whichever module hands them over. */
let anyBinding: Binding | undefined;

/** Loads a binding on the first call; throws `INVALID_SETTINGS` where it cannot be loaded. */
export function bindingOf(name: string, load: () => Binding): () => Binding {
  let binding: Binding | undefined;
  return () => {
    try {
      binding ??= load();
    } catch (cause) {
      if (cause instanceof KafkaConnectorError) throw cause;
      throw new KafkaConnectorError(
        "INVALID_SETTINGS",
        `${name} could not be loaded. Install it beside @millrace/kafka, and see that its native part was built.`,
        { cause },
      );
    }
    anyBinding ??= binding;
    return binding;
  };
}

export const consumersOf =
  (binding: () => Binding): ConsumerFactory =>
  (client, topic, rebalance) => {
    const { KafkaConsumer, name, features } = binding();
    const callbacks = { rebalance_cb: rebalance, offset_commit_cb: true };
    const consumer = new KafkaConsumer({ ...client, ...callbacks }, { ...topic }) as NativeConsumer;
    return Object.assign(consumer, { build: { name, features } });
  };

export const producersOf =
  (binding: () => Binding): ProducerFactory =>
  (client, topic) => {
    const { KafkaConsumer, Producer } = binding();
    const producer = new Producer({ ...client, dr_cb: true }, { ...topic }) as NativeProducer;
    const send = producer.sendOffsetsToTransaction.bind(producer);
    producer.sendOffsetsToTransaction = (offsets, consumer, timeoutMs, done) => {
      if (consumer instanceof KafkaConsumer) return send(offsets, consumer, timeoutMs, done);
      // The native code would take another binding's object for its own, and crash.
      throw new KafkaConnectorError(
        "INVALID_SETTINGS",
        "The consumer is of another driver than the producer. Make both with the same one.",
      );
    };
    return producer;
  };

export const adminsOf =
  (binding: () => Binding): AdminFactory =>
  (client, more) =>
    binding().AdminClient.create({ ...client }, more) as NativeAdmin;

const require = createRequire(import.meta.url);

/** The native parts of the bindings that have been loaded, by anyone in this process. */
const loadedAddons = (): number =>
  Object.keys(require.cache).filter((path) => /[\\/](node-librdkafka|confluent-kafka-javascript)\.node$/.test(path))
    .length;

/**
 * Throws `INVALID_SETTINGS` where a binding runs on another one's librdkafka: 1. both were compiled on this machine
 * against shared libraries; 2. the other was loaded first; 3. so the system linked this one with that one's library, whose
 * classes are laid out otherwise: it could crash.
 */
export function checkLibrary(name: string, linked: string, wanted: string, addons: number = loadedAddons()): void {
  if (linked === wanted || addons < 2) return;
  throw new KafkaConnectorError(
    "INVALID_SETTINGS",
    `${name} needs librdkafka ${wanted}, but shares ${linked} with another client that was loaded before it. Use one of the two in a process, or install prebuilt binaries, which bring their own.`,
  );
}

const nodeRdkafka = bindingOf("node-rdkafka", () => {
  const binding = require("node-rdkafka") as Binding;
  const { librdkafka } = require("node-rdkafka/package.json") as { readonly librdkafka: string };
  checkLibrary("node-rdkafka", binding.librdkafkaVersion, librdkafka);
  const { err2str } = require("node-rdkafka/librdkafka.js") as Binding;
  return { ...binding, err2str, name: "node-rdkafka" };
});

export const createNativeConsumer: ConsumerFactory = consumersOf(nodeRdkafka);
export const createNativeProducer: ProducerFactory = producersOf(nodeRdkafka);
export const createNativeAdmin: AdminFactory = adminsOf(nodeRdkafka);

const someBinding = (): Binding => anyBinding ?? nodeRdkafka();

export const errorCodes = (): Readonly<Record<string, number>> => someBinding().CODES.ERRORS;
export const errorText = (code: number): string => someBinding().err2str(code);
