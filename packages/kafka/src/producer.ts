import { Flow, FlowWithContext, Keep, Sink, type WithClaim } from "@millrace/streams";
import type { ClientProperties, Headers, OutgoingRecord } from "./client/port.js";
import { rdkafkaDriver } from "./client/rdkafka/driver.js";
import { KafkaConnectorError } from "./errors.js";
import {
  produce,
  type ProducerEnvelope,
  type ProducerRecord,
  type ProducerResult,
  type RecordMetadata,
} from "./messages.js";
import { bytes, nullable, type Serializer, string } from "./serde.js";
import { type KafkaSettings, parseProducer } from "./settings.js";
import { silentLogger } from "./silent-logger.js";
import { deliveryReports } from "./stages/delivery-reports.js";

/** Settings of a producer. */
export interface ProducerSettings<K, V> {
  readonly kafka: KafkaSettings;
  /** Default: UTF-8 text. */
  readonly key?: Serializer<K>;
  /** Default: the bytes, `null` for a tombstone. */
  readonly value?: Serializer<V>;
  /** librdkafka properties of this producer, over those of `kafka`. */
  readonly properties?: ClientProperties;
  /** Records in flight; beyond it upstream is held back. Default 4000. */
  readonly parallelism?: number;
}

const encodeHeaders = (headers: Readonly<Record<string, string | Buffer>>): Headers =>
  Object.entries(headers).map(([name, value]) => [name, typeof value === "string" ? Buffer.from(value) : value]);

const encoder = <K, V>(settings: ProducerSettings<K, V>): ((record: ProducerRecord<K, V>) => OutgoingRecord) => {
  const keys = settings.key ?? (string() as Serializer<never> as Serializer<K>);
  const values = settings.value ?? (nullable(bytes()) as Serializer<never> as Serializer<V>);
  return (record) => {
    try {
      const { topic, partition, headers, timestamp } = record;
      const key = record.key === undefined || record.key === null ? null : keys.encode(record.key);
      const value = values.encode(record.value);
      // Most records have no more than this; spreading what is absent costs as much as the rest.
      if (headers === undefined && timestamp === undefined) {
        return partition === undefined ? { topic, key, value } : { topic, partition, key, value };
      }
      return {
        topic,
        key,
        value,
        ...(partition === undefined ? undefined : { partition }),
        ...(headers === undefined ? undefined : { headers: encodeHeaders(headers) }),
        ...(timestamp === undefined ? undefined : { timestamp }),
      };
    } catch (cause) {
      throw new KafkaConnectorError(
        "SERIALIZATION_FAILED",
        `A record for ${record.topic} could not be encoded: ${cause instanceof Error ? cause.message : String(cause)}`,
        { cause },
      );
    }
  };
};

const flow = <K, V, P>(
  name: string,
  settings: ProducerSettings<K, V>,
  onDropped?: (passThrough: P) => void,
): Flow<ProducerEnvelope<K, V, P>, ProducerResult<P>> => {
  const { properties, parallelism } = parseProducer(settings, name);
  return Flow.fromStage(
    deliveryReports<K, V, P>({
      name,
      properties,
      parallelism,
      driver: settings.kafka.driver ?? rdkafkaDriver,
      logger: settings.kafka.logger ?? silentLogger,
      encode: encoder(settings),
      ...(onDropped && { onDropped }),
    }),
  );
};

/**
 * Sends the records of each envelope and passes its pass-through on.
 * Emits, in input order, when every record of an envelope was acknowledged. Backpressures when `parallelism` records are in
 * flight or the client's queue is full. Completes when upstream has completed and everything is acknowledged; a failure of
 * upstream waits for what was sent. A record that fails fails the stream, and nothing queued behind it is sent any more;
 * adheres to supervision: resume drops the envelope.
 */
export const producerFlow = <K = string, V = Buffer | null, PassThrough = unknown>(
  settings: ProducerSettings<K, V>,
): Flow<ProducerEnvelope<K, V, PassThrough>, ProducerResult<PassThrough>> => flow("producerFlow", settings);

/** Sends records and ends the stream; the promise settles once everything is acknowledged. */
export const producerSink = <K = string, V = Buffer | null>(
  settings: ProducerSettings<K, V>,
): Sink<ProducerRecord<K, V>, Promise<void>> =>
  Flow.of<ProducerRecord<K, V>>()
    .map((record) => produce(record))
    .via(flow<K, V, undefined>("producerSink", settings))
    .toMat(Sink.ignore, Keep.right);

/** What a producer flow with context takes: one record, or the 0..n records of an envelope, which finish together. */
export type ProducerInput<K, V> = ProducerRecord<K, V> | readonly ProducerRecord<K, V>[];

const recordsOf = <K, V>(input: ProducerInput<K, V>): readonly ProducerRecord<K, V>[] =>
  Array.isArray(input) ? (input as readonly ProducerRecord<K, V>[]) : [input as ProducerRecord<K, V>];

/**
 * `producerFlow` on the followed surface: sends the records of each element, none where it is an empty array, and passes
 * on where the broker put them. The claim of an element goes on once all its records were acknowledged. Otherwise as
 * `producerFlow`; what supervision drops ends as discarded.
 */
export const producerFlowWithContext = <K = string, V = Buffer | null>(
  settings: ProducerSettings<K, V>,
): FlowWithContext<ProducerInput<K, V>, readonly RecordMetadata[]> => {
  type Sent = WithClaim<unknown>;
  const sending = flow<K, V, Sent>("producerFlowWithContext", settings, ({ claim }) =>
    claim.end("discarded", "producerFlowWithContext failed, and supervision went on without it"),
  );
  return FlowWithContext.fromFlow(
    Flow.of<WithClaim<ProducerInput<K, V>>>()
      .map((cell: Sent): ProducerEnvelope<K, V, Sent> => {
        cell.claim.at("producerFlowWithContext");
        const records = recordsOf(cell.value as ProducerInput<K, V>);
        // The client copies keys and values; thousands of them would wait here for their reports.
        cell.value = undefined;
        return { records, passThrough: cell };
      })
      .via(sending)
      .map(({ metadata, passThrough }) => {
        passThrough.value = metadata;
        return passThrough as WithClaim<readonly RecordMetadata[]>;
      }),
  );
};
