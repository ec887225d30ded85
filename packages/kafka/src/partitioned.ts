import { Source } from "@millrace/streams";
import type { TopicPartition } from "./client/port.js";
import { type ConsumerSerdes, committableReader, plainReader } from "./consumer/record-reader.js";
import type { OffsetsOnAssign } from "./consumer/start-offsets.js";
import { type CommittableSettings, requireMetadata } from "./consumer.js";
import type { Control } from "./control.js";
import { KafkaConnectorError } from "./errors.js";
import { checkingOffsets } from "./graph-check/check-graph.js";
import type { CommittableMessage, ConsumerRecord } from "./messages.js";
import type { ConsumerSettings } from "./settings.js";
import { consumerOptions, type ConsumerSourceOptions } from "./stages/consumer-source.js";
import { partitionedSource } from "./stages/partitioned-source.js";

/** One assigned partition and its elements. */
export interface PartitionSource<out A> extends TopicPartition {
  /** Completes when the partition is given up or the consumer stops. It can be run once. */
  readonly source: Source<A>;
}

/** Positions kept elsewhere than in the group. */
export interface ManualOffsets {
  /**
   * Asked at each assignment, before anything is read: the next offset to read of each partition. One that is left out
   * begins at the group's committed position, else by `autoOffsetReset`. A failure fails the stream, and nothing of the
   * partitions is delivered.
   */
  readonly getOffsetsOnAssign: OffsetsOnAssign;
}

const partitions = <A>(options: ConsumerSourceOptions<A>, commits: boolean): Source<PartitionSource<A>, Control> => {
  const { name } = options;
  if (options.settings.subscription.kind === "assignment") {
    throw new KafkaConnectorError(
      "INVALID_SETTINGS",
      `${name}: partitions come and go with a group. Subscribe to topics or a topicPattern, or run a source for each assigned partition.`,
    );
  }
  return Source.fromStage(partitionedSource(options)).map((each) => ({
    topic: each.topic,
    partition: each.partition,
    source: Source.fromStage(commits ? checkingOffsets(each.stage, "explicit", options.logger) : each.stage),
  }));
};

const plain = <K, V>(
  name: string,
  settings: ConsumerSettings & ConsumerSerdes<K, V>,
): Source<PartitionSource<ConsumerRecord<K, V>>, Control> =>
  partitions(consumerOptions(name, settings, false, plainReader(settings)), false);

const committable = <K, V>(
  name: string,
  settings: CommittableSettings<K, V>,
): Source<PartitionSource<CommittableMessage<K, V>>, Control> => {
  const options = consumerOptions(name, settings, true, committableReader(settings, settings.metadata));
  requireMetadata(settings, options);
  return partitions(options, true);
};

/**
 * `plainSource` with a stream of its own for each assigned partition: a slow one holds back no other. One that fails or is
 * cancelled is emitted again, after `restartBackoff`; it begins with the chunk that the last one was given last.
 * Emits when a partition is assigned. Completes on `control.stop()`, as every partition's source does.
 */
export const plainPartitionedSource = <K = string, V = Buffer | null>(
  settings: ConsumerSettings & ConsumerSerdes<K, V>,
): Source<PartitionSource<ConsumerRecord<K, V>>, Control> => plain("plainPartitionedSource", settings);

/**
 * `committableSource` with a stream of its own for each assigned partition: a slow one holds back no other. One that fails
 * or is cancelled is emitted again, after `restartBackoff`; it begins with the first record that was not committed.
 * Emits when a partition is assigned. Completes on `control.stop()`, as every partition's source does.
 */
export const committablePartitionedSource = <K = string, V = Buffer | null>(
  settings: CommittableSettings<K, V>,
): Source<PartitionSource<CommittableMessage<K, V>>, Control> => committable("committablePartitionedSource", settings);

/**
 * `plainPartitionedSource` that begins where `getOffsetsOnAssign` says: for positions that are stored with the results.
 * Emits when a partition is assigned and its offset is known. Completes on `control.stop()`. Fails when the look-up fails.
 */
export const plainPartitionedManualOffsetSource = <K = string, V = Buffer | null>(
  settings: ConsumerSettings & ConsumerSerdes<K, V> & ManualOffsets,
): Source<PartitionSource<ConsumerRecord<K, V>>, Control> => plain("plainPartitionedManualOffsetSource", settings);

/**
 * `committablePartitionedSource` that begins where `getOffsetsOnAssign` says, and commits all the same, for tools that
 * show the group's lag.
 * Emits when a partition is assigned and its offset is known. Completes on `control.stop()`. Fails when the look-up fails.
 */
export const committablePartitionedManualOffsetSource = <K = string, V = Buffer | null>(
  settings: CommittableSettings<K, V> & ManualOffsets,
): Source<PartitionSource<CommittableMessage<K, V>>, Control> =>
  committable("committablePartitionedManualOffsetSource", settings);
