import type { CommittableOffset } from "../offsets/committable-offset.js";
import type { Headers } from "../client/port.js";

/** A record as consumed, its key and value decoded. */
export interface ConsumerRecord<out K, out V> {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Milliseconds since the epoch, or -1 where the broker gave none. */
  readonly timestamp: number;
  /** `null` where the record has none. */
  readonly key: K | null;
  readonly value: V;
  /** In their order, and may be produced as they are. Bindings to librdkafka read `null` and an empty value alike. */
  readonly headers: Headers;
}

/** A record with the offset that finishes it; carry `offset` through the stream to a committer. */
export interface CommittableMessage<out K, out V> {
  readonly record: ConsumerRecord<K, V>;
  readonly offset: CommittableOffset;
}

/** What a header of a record to produce holds: text, which is sent as UTF-8, bytes, or nothing. */
export type HeaderValue = string | Buffer | null;

/**
 * Headers of a record to produce: a list, as those of a consumed record, which may be handed back as they are; or an object,
 * which is shorter where no name comes twice.
 */
export type ProducerHeaders =
  | readonly (readonly [name: string, value: HeaderValue])[]
  | Readonly<Record<string, HeaderValue>>;

/** A record to produce. */
export interface ProducerRecord<out K, out V> {
  readonly topic: string;
  readonly key?: K | null;
  readonly value: V;
  /** Absent: chosen by the hash of the key. */
  readonly partition?: number;
  /**
   * Sent in their order. What the driver cannot send intact is refused with `INVALID_RECORD`: node-rdkafka sends bytes only
   * where they are UTF-8 without NUL, and no `null`.
   */
  readonly headers?: ProducerHeaders;
  /** Milliseconds since the epoch, 1 or more: clients take 0 for none, so it is refused. Absent: now. */
  readonly timestamp?: number;
}

/** What a `producerFlow` takes: 0..n records and one pass-through, usually the offset of the record they came from. */
export interface ProducerEnvelope<out K, out V, out PassThrough> {
  readonly records: readonly ProducerRecord<K, V>[];
  readonly passThrough: PassThrough;
}

/** Where the broker put a record. */
export interface RecordMetadata {
  readonly topic: string;
  readonly partition: number;
  /** -1 where the broker gave none (`acks=0`). */
  readonly offset: number;
}

/** What a `producerFlow` emits, once every record of the envelope was acknowledged; `metadata` is in their order. */
export interface ProducerResult<out PassThrough> {
  readonly metadata: readonly RecordMetadata[];
  readonly passThrough: PassThrough;
}

/**
 * What a `producerFlow` with `failures: "element"` emits instead of the result of an envelope with a failed record. Its
 * records that are not in `failed` were acknowledged.
 */
export interface ProducerFailure<out K, out V, out PassThrough = undefined> {
  /** Why `record` failed: a `KafkaConnectorError` where it comes from the connector. */
  readonly error: Error;
  /** The record that failed; of several, the first in the envelope's order. */
  readonly record: ProducerRecord<K, V>;
  /** All records of the envelope that failed or, where one could not be encoded, were not sent. */
  readonly failed: readonly ProducerRecord<K, V>[];
  /**
   * What the envelope would have passed through, such as the offset of its record, which is not finished: hand it on
   * with what you send instead. A failure has no `passThrough`, and reading it throws `UNHANDLED_FAILURE`.
   */
  readonly unfinished: PassThrough;
  readonly "~unfinished"?: () => Error;
}

/**
 * Distinguishes a failure from any other element that a producer flow with `failures: "element"` emits.
 *
 * @example
 * .map((sent) =>
 *   isProducerFailure(sent)
 *     ? sent.failed.map((record) => ({ ...record, topic: "shouts-dead", headers: { error: sent.error.message } }))
 *     : [],
 * )
 */
export const isProducerFailure = <K, V, PassThrough>(
  element: ProducerResult<PassThrough> | readonly RecordMetadata[] | ProducerFailure<K, V, PassThrough>,
): element is ProducerFailure<K, V, PassThrough> => "failed" in element;

/**
 * One record. `passThrough: undefined` says that this output finishes nothing: give the offset to the last output only.
 *
 * @example
 * lines.map((line, i) =>
 *   produce({ topic: "order-lines", key: line.id, value: line }, i === lines.length - 1 ? offset : undefined),
 * ),
 */
export const produce: {
  // A record without a key fits a producer of any keys.
  <K = never, V = never, PassThrough = never>(
    record: ProducerRecord<K, V>,
    passThrough: PassThrough,
  ): ProducerEnvelope<K, V, PassThrough>;
  <K = never, V = never>(record: ProducerRecord<K, V>): ProducerEnvelope<K, V, undefined>;
} = <K, V, PassThrough>(record: ProducerRecord<K, V>, passThrough?: PassThrough) => ({
  records: [record],
  passThrough: passThrough as PassThrough,
});

/**
 * Several records that finish together: the pass-through is emitted once all are acknowledged.
 *
 * @example
 * return produceMulti([{ topic: "shouts", key, value }, { topic: "whispers", key, value }], offset);
 */
export const produceMulti = <K = never, V = never, PassThrough = never>(
  records: readonly ProducerRecord<K, V>[],
  passThrough: PassThrough,
): ProducerEnvelope<K, V, PassThrough> => ({ records, passThrough });

/**
 * No record: the pass-through keeps its place in the order.
 *
 * @example
 * lines.length === 0
 *   ? [passThrough(offset)]
 *   : lines.map((line, i) =>
 */
export const passThrough = <PassThrough>(value: PassThrough): ProducerEnvelope<never, never, PassThrough> => ({
  records: [],
  passThrough: value,
});
