import { Source } from "@millrace/streams";
import { CommittableOffset } from "./committable-offset.js";
import { rdkafkaDriver } from "./client/rdkafka/driver.js";
import type { BufferedRun } from "./consumer/record-buffer.js";
import type { Control } from "./control.js";
import { KafkaConnectorError } from "./errors.js";
import type { CommittableMessage, ConsumerRecord } from "./messages.js";
import { bytes, type Deserializer, nullable, string } from "./serde.js";
import { type ConsumerSettings, parseConsumer } from "./settings.js";
import { silentLogger } from "./silent-logger.js";
import { consumerSource, type RecordReader } from "./stages/consumer-source.js";

/** How keys and values are decoded. */
export interface ConsumerSerdes<out K, out V> {
  /** Default: UTF-8 text. A record without a key has `null` whatever the serde. */
  readonly key?: Deserializer<K>;
  /** Default: the bytes, `null` for a tombstone. */
  readonly value?: Deserializer<V>;
}

/** What `committableSource` takes beside the consumer's settings. */
export interface CommittableSettings<K, V> extends ConsumerSettings, ConsumerSerdes<K, V> {
  /**
   * Text committed with a record's offset; a batch commits that of its last record per partition. Refused with
   * `INVALID_SETTINGS` where the driver cannot send it, as node-rdkafka cannot.
   */
  readonly metadata?: (record: ConsumerRecord<K, V>) => string;
}

const decode = <T>(
  deserializer: Deserializer<T>,
  value: Buffer | null,
  part: string,
  run: BufferedRun,
  index: number,
): T => {
  try {
    return deserializer.decode(value);
  } catch (cause) {
    throw new KafkaConnectorError(
      "DESERIALIZATION_FAILED",
      `The ${part} of ${run.topic}[${run.partition}]@${run.chunk.offset(index)} could not be decoded: ${
        cause instanceof Error ? cause.message : String(cause)
      }. Wrap the serde in attempt() to handle such records in the stream.`,
      { cause },
    );
  }
};

const recordReader = <K, V>({ key, value }: ConsumerSerdes<K, V>): RecordReader<ConsumerRecord<K, V>> => {
  const keys = key ?? (string() as Deserializer<unknown> as Deserializer<K>);
  const values = value ?? (nullable(bytes()) as Deserializer<unknown> as Deserializer<V>);
  return {
    keepsBytes: (keys.keepsBytes ?? false) || (values.keepsBytes ?? false),
    read(run, index) {
      const { chunk, topic, partition } = run;
      const keyBytes = chunk.key(index);
      return {
        topic,
        partition,
        offset: chunk.offset(index),
        timestamp: chunk.timestamp(index),
        key: keyBytes === null ? null : decode(keys, keyBytes, "key", run, index),
        value: decode(values, chunk.value(index), "value", run, index),
        headers: chunk.headers(index),
      };
    },
  };
};

const source = <A>(
  name: string,
  settings: ConsumerSettings,
  commits: boolean,
  reader: RecordReader<A>,
): Source<A, Control> =>
  Source.fromStage(
    consumerSource({
      name,
      settings: parseConsumer(settings, name, commits),
      driver: settings.kafka.driver ?? rdkafkaDriver,
      logger: settings.kafka.logger ?? silentLogger,
      reader,
    }),
  );

/**
 * Records without offsets to commit: for positions kept elsewhere, or none.
 * Emits when the client has records. Completes on `control.stop()`. Fails when the client fails fatally, or a record cannot
 * be decoded (adheres to supervision: resume skips the record).
 */
export const plainSource = <K = string, V = Buffer | null>(
  settings: ConsumerSettings & ConsumerSerdes<K, V>,
): Source<ConsumerRecord<K, V>, Control> => source("plainSource", settings, false, recordReader(settings));

/**
 * Records with the offset that finishes each: at-least-once with a committer at the end of the stream.
 * Emits when the client has records, per partition in order. Completes on `control.stop()`. Fails when the client fails
 * fatally, or a record cannot be decoded (adheres to supervision: resume skips the record, and the offset of a later one
 * covers it). The client is closed when the run has ended and commits under way are done.
 */
export const committableSource = <K = string, V = Buffer | null>(
  settings: CommittableSettings<K, V>,
): Source<CommittableMessage<K, V>, Control> => {
  const { read, keepsBytes } = recordReader(settings);
  const { metadata } = settings;
  const built = source("committableSource", settings, true, {
    keepsBytes,
    read(run, index, session) {
      const record = read(run, index, session);
      const { topic, partition, offset } = record;
      return {
        record,
        offset: new CommittableOffset(session, topic, partition, offset, run.epoch, metadata?.(record)),
      };
    },
  });
  const driver = settings.kafka.driver ?? rdkafkaDriver;
  if (metadata && !driver.commitsMetadata) {
    throw new KafkaConnectorError(
      "INVALID_SETTINGS",
      `committableSource: the driver ${driver.name} does not send the metadata of a commit, so it would be lost. Leave metadata out, or choose a driver that sends it.`,
    );
  }
  return built;
};
