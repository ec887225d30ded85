import { Source } from "@millrace/streams";
import { rdkafkaDriver } from "./client/rdkafka/driver.js";
import { committableReader, type ConsumerSerdes, plainReader, type RecordReader } from "./consumer/record-reader.js";
import type { Control } from "./control.js";
import { KafkaConnectorError } from "./errors.js";
import { checkingOffsets } from "./graph-check/check-graph.js";
import type { CommittableMessage, ConsumerRecord } from "./messages.js";
import type { ConsumerSettings } from "./settings.js";
import { commitFirst, endingReader } from "./stages/commit-first.js";
import { consumerOptions, consumerSource } from "./stages/consumer-source.js";

/** What `committableSource` takes beside the consumer's settings. */
export interface CommittableSettings<K, V> extends ConsumerSettings, ConsumerSerdes<K, V> {
  /**
   * Text committed with a record's offset; a batch commits that of its last record per partition. Refused with
   * `INVALID_SETTINGS` where the driver cannot send it, as node-rdkafka cannot.
   */
  readonly metadata?: (record: ConsumerRecord<K, V>) => string;
}

const source = <A>(
  name: string,
  settings: ConsumerSettings,
  commits: boolean,
  reader: RecordReader<A>,
): Source<A, Control> => {
  const options = consumerOptions(name, settings, commits, reader);
  const stage = consumerSource(options);
  return Source.fromStage(commits ? checkingOffsets(stage, "explicit", options.logger) : stage);
};

/**
 * Records without offsets to commit: for positions kept elsewhere, or none.
 * Emits when the client has records. Completes on `control.stop()`. Fails when the client fails fatally, or a record cannot
 * be decoded (adheres to supervision: resume skips the record).
 */
export const plainSource = <K = string, V = Buffer | null>(
  settings: ConsumerSettings & ConsumerSerdes<K, V>,
): Source<ConsumerRecord<K, V>, Control> => source("plainSource", settings, false, plainReader(settings));

/**
 * Records with the offset that finishes each: at-least-once with a committer at the end of the stream.
 * Emits when the client has records, per partition in order. Completes on `control.stop()`. Fails when the client fails
 * fatally, or a record cannot be decoded (adheres to supervision: resume skips the record, and the offset of a later one
 * covers it). The client is closed when the run has ended and commits under way are done.
 */
export const committableSource = <K = string, V = Buffer | null>(
  settings: CommittableSettings<K, V>,
): Source<CommittableMessage<K, V>, Control> => {
  const built = source("committableSource", settings, true, committableReader(settings, settings.metadata));
  requireMetadata(settings, "committableSource");
  return built;
};

/** Refuses metadata where the driver cannot send it. */
export const requireMetadata = <K, V>(settings: CommittableSettings<K, V>, call: string): void => {
  const driver = settings.kafka.driver ?? rdkafkaDriver;
  if (settings.metadata && !driver.commitsMetadata) {
    throw new KafkaConnectorError(
      "INVALID_SETTINGS",
      `${call}: the driver ${driver.name} does not send the metadata of a commit, so it would be lost. Leave metadata out, or choose a driver that sends it.`,
    );
  }
};

/**
 * Records that are committed before they are delivered: a crash loses what was on its way, and repeats nothing.
 * Emits a chunk once the broker has acknowledged its commit. Completes on `control.stop()`. Fails when a commit fails, when
 * the client fails fatally, or a record cannot be decoded (adheres to supervision: resume skips the record). Records of a
 * partition that was lost before they were committed are left to its next owner.
 */
export const atMostOnceSource = <K = string, V = Buffer | null>(
  settings: ConsumerSettings & ConsumerSerdes<K, V>,
): Source<ConsumerRecord<K, V>, Control> => {
  const reader = endingReader(plainReader(settings));
  return Source.fromStage(commitFirst(consumerSource(consumerOptions("atMostOnceSource", settings, true, reader))));
};
