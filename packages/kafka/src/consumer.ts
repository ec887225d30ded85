import { Source } from "@millrace/streams";
import { committableReader, type ConsumerSerdes, plainReader } from "./consumer/stages/record-reader.js";
import type { BorrowedConsumerSettings } from "./consumer/shared/borrowing.js";
import type { Control } from "./consumer/control.js";
import { KafkaConnectorError } from "./errors/errors.js";
import { checkingOffsets } from "./graph-check/check-graph.js";
import type { ReadMessage, ReadRecord } from "./records/undecodable.js";
import { commitFirst, endingReader } from "./consumer/stages/commit-first.js";
import { consumerOptions, type ConsumerSourceOptions, consumerSource } from "./consumer/stages/consumer-source.js";
import type { ConsumerSettings } from "./settings/consumer-settings.js";
import type { Undecodable, UndecodableSetting } from "./settings/undecodable-settings.js";

/** How `committableSource` reads records, and what it commits beside their offsets. */
interface CommittingSettings<K, V, U extends UndecodableSetting> extends ConsumerSerdes<K, V, U> {
  /**
   * Text committed with a record's offset; a batch commits that of its last record per partition. Refused with
   * `INVALID_SETTINGS` where the driver cannot send it, as node-rdkafka cannot.
   */
  readonly metadata?: (record: ReadRecord<K, V, U>) => string;
}

/** What `committableSource` takes beside the consumer's settings. */
export interface CommittableSettings<K, V, U extends UndecodableSetting = Undecodable>
  extends ConsumerSettings,
    CommittingSettings<K, V, U> {}

/**
 * Records without offsets to commit: for positions kept elsewhere, or none.
 * Emits when the client has records. Completes on `control.stop()`. Fails when the client fails fatally, or a record cannot
 * be decoded, unless `undecodable` says what becomes of it (adheres to supervision: resume skips the record).
 *
 * @example
 * const prices = await plainSource({
 *   kafka: { brokers: "localhost:9092" },
 *   assignment: [{ topic: "prices", partition: 0 }],
 *   value: string(),
 *   startAt: "beginning",
 *   until: "end",
 * }).runWith(Sink.toArray());
 */
export const plainSource = <K = string, V = Buffer | null, U extends UndecodableSetting = Undecodable>(
  settings: (ConsumerSettings | BorrowedConsumerSettings) & ConsumerSerdes<K, V, U>,
): Source<ReadRecord<K, V, U>, Control> =>
  Source.fromStage(consumerSource(consumerOptions("plainSource", settings, false, plainReader(settings))));

/**
 * Records with the offset that finishes each: at-least-once with a committer at the end of the stream.
 * Emits when the client has records, per partition in order. Completes on `control.stop()`. Fails when the client fails
 * fatally, or a record cannot be decoded (adheres to supervision: resume skips the record, and the offset of a later one
 * covers it). The client is closed when the run has ended and commits under way are done.
 *
 * @example
 * const graph = committableSource({ kafka, topics: ["words"], value: string() })
 *   .map(({ record, offset }) => produce({ topic: "shouts", key: record.key, value: record.value.toUpperCase() }, offset))
 *   .toMat(committableSink({ kafka, value: string() }), DrainingControl.from);
 */
export const committableSource = <K = string, V = Buffer | null, U extends UndecodableSetting = Undecodable>(
  settings: CommittableSettings<K, V, U> | (BorrowedConsumerSettings & CommittingSettings<K, V, U>),
): Source<ReadMessage<K, V, U>, Control> => {
  const name = "committableSource";
  const options = consumerOptions(name, settings, true, committableReader(settings, settings.metadata));
  requireMetadata(settings, options);
  return Source.fromStage(checkingOffsets(consumerSource(options), "explicit", options.logger));
};

/** Refuses metadata where the driver cannot send it. */
export const requireMetadata = <K, V, U extends UndecodableSetting>(
  { metadata }: CommittingSettings<K, V, U>,
  { name, settings: { driver } }: Pick<ConsumerSourceOptions<unknown>, "name" | "settings">,
): void => {
  if (metadata && !driver.commitsMetadata) {
    throw new KafkaConnectorError(
      "INVALID_SETTINGS",
      `${name}: the driver ${driver.name} does not send the metadata of a commit, so it would be lost. Leave metadata out, or choose a driver that sends it.`,
    );
  }
};

/**
 * Records that are committed before they are delivered: a crash loses the records in flight, and repeats none.
 * Emits a chunk once the broker has acknowledged its commit. Completes on `control.stop()`. Fails when a commit fails, when
 * the client fails fatally, or a record cannot be decoded (adheres to supervision: resume skips the record). Records of a
 * partition that was lost before they were committed are left to its next owner.
 *
 * @example
 * const graph = atMostOnceSource({ kafka, topics: ["orders"], value: string() })
 *   .mapAsync(8, ({ value }) => ship(value))
 *   .toMat(Sink.ignore, DrainingControl.from);
 */
export const atMostOnceSource = <K = string, V = Buffer | null, U extends UndecodableSetting = Undecodable>(
  settings: (ConsumerSettings | BorrowedConsumerSettings) & ConsumerSerdes<K, V, U>,
): Source<ReadRecord<K, V, U>, Control> => {
  const reader = endingReader(plainReader(settings));
  return Source.fromStage(commitFirst(consumerSource(consumerOptions("atMostOnceSource", settings, true, reader))));
};
