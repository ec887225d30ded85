import type { ClientProperties, ProducerClient, ProducerListener } from "../client/port.js";
import type { Serializer } from "../records/serde.js";
import { loggerOf } from "../logging/logger-of.js";
import { openShared, type SharedProducer } from "./shared-producer.js";
import type { KafkaSettings } from "../settings/kafka-settings.js";
import type { ParsedProducer } from "../settings/parse-producer.js";

interface ProducerOptions<K, V> {
  /** Default: UTF-8 text. */
  readonly key?: Serializer<K>;
  /** Default: the bytes, `null` for a tombstone. */
  readonly value?: Serializer<V>;
  /** Records in flight; beyond it upstream is held back. Default 4000. */
  readonly parallelism?: number;
  /**
   * Bytes of records in flight; beyond it upstream is held back, and elements that wait for that have a quarter of it. One
   * envelope always passes. Default 32 MB.
   */
  readonly maxInFlightBytes?: number;
}

/** A producer with a client of its own, made for each run and closed with it. */
export interface OwnProducerSettings<K, V> extends ProducerOptions<K, V> {
  readonly kafka: KafkaSettings;
  /**
   * librdkafka properties of this producer, over those of `kafka`. `enable.idempotence` is on unless it is set to `false`:
   * `acks`, `max.in.flight`, `retries` and `queuing.strategy` that contradict it are refused with `INVALID_SETTINGS`.
   */
  readonly properties?: ClientProperties;
  readonly producer?: never;
}

/** A producer that uses a client of `sharedProducer`, and leaves it open. */
export interface BorrowedProducerSettings<K, V> extends ProducerOptions<K, V> {
  readonly producer: SharedProducer;
  readonly kafka?: never;
  readonly properties?: never;
}

/** Settings of a producer: how to reach the cluster, or the producer to share. */
export type ProducerSettings<K, V> = OwnProducerSettings<K, V> | BorrowedProducerSettings<K, V>;

/** Makes the client of one run, or takes a share of a shared one. */
export const openerOf = (
  { producer }: ProducerSettings<never, never>,
  { client }: ParsedProducer,
  call: string,
): ((listener: ProducerListener) => ProducerClient) => {
  if (client === undefined) return openShared(producer, call);
  return (listener) => client.driver.producer(client.properties, listener);
};

/** A shared producer logs what concerns it by itself. */
export const producerLogger = ({ kafka }: ProducerSettings<never, never>): NonNullable<KafkaSettings["logger"]> =>
  loggerOf(kafka?.logger);
