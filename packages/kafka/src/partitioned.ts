import { Source } from "@millrace/streams";
import type { SourceStage } from "@millrace/streams/stage";
import type { TopicPartition } from "./client/port.js";
import { type ConsumerSerdes, committableReader, plainReader } from "./consumer/stages/record-reader.js";
import { type CommittableSettings, requireMetadata } from "./consumer.js";
import type { Control } from "./consumer/control.js";
import type { ReadMessage, ReadRecord } from "./records/undecodable.js";
import { emittedPartitions, type PartitionGraph, runningPartitions } from "./consumer/stages/partition-graphs.js";
import { consumerOptions, type ConsumerSourceOptions } from "./consumer/stages/consumer-source.js";
import type { ConsumerSettings } from "./settings/consumer-settings.js";
import type { OffsetsOnAssign } from "./settings/reading-settings.js";
import type { Undecodable, UndecodableSetting } from "./settings/undecodable-settings.js";

/** One assigned partition and its elements. */
export interface PartitionSource<out A> extends TopicPartition {
  /** Completes when the partition is given up or the consumer stops. It can be run once. */
  readonly source: Source<A>;
}

/** Positions kept elsewhere than in the group. */
export interface ManualOffsets {
  /**
   * Called at each assignment, before anything is read: the next offset to read of each partition. One that is left out
   * begins at the group's committed position, else by `autoOffsetReset`. A failure fails the stream, and nothing of the
   * partitions is delivered.
   */
  readonly getOffsetsOnAssign: OffsetsOnAssign;
}

/** The source called `name`: it emits the source of each partition or, with a graph, runs it. */
const partitioned = <A, T>(
  options: ConsumerSourceOptions<A>,
  commits: boolean,
  graph: PartitionGraph<Source<A>, T> | undefined,
): Source<PartitionSource<A> | T, Control> => {
  const surface = commits ? "explicit" : undefined;
  const open = (stage: SourceStage<A, void>): Source<A> => Source.fromStage(stage);
  const all = { options, surface, open } as const;
  return graph ? runningPartitions(all, graph) : emittedPartitions(all);
};

const plain = <K, V, T, U extends UndecodableSetting>(
  name: string,
  settings: ConsumerSettings & ConsumerSerdes<K, V, U>,
  graph: PartitionGraph<Source<ReadRecord<K, V, U>>, T> | undefined,
): Source<PartitionSource<ReadRecord<K, V, U>> | T, Control> =>
  partitioned(consumerOptions(name, settings, false, plainReader(settings)), false, graph);

const committable = <K, V, T, U extends UndecodableSetting>(
  name: string,
  settings: CommittableSettings<K, V, U>,
  graph: PartitionGraph<Source<ReadMessage<K, V, U>>, T> | undefined,
): Source<PartitionSource<ReadMessage<K, V, U>> | T, Control> => {
  const options = consumerOptions(name, settings, true, committableReader(settings, settings.metadata));
  requireMetadata(settings, options);
  return partitioned(options, true, graph);
};

/**
 * `plainSource` with a stream of its own for each assigned partition: a slow one holds back no other. One that fails or
 * is cancelled is emitted again, after `restartBackoff`; it begins with the last chunk its predecessor was given.
 * Emits when a partition is assigned. Completes on `control.stop()`, as every partition's source does. With the `graph` of a
 * partition it runs each by itself, as `committablePartitionedSource` does.
 */
export function plainPartitionedSource<K = string, V = Buffer | null, U extends UndecodableSetting = Undecodable>(
  settings: ConsumerSettings & ConsumerSerdes<K, V, U>,
): Source<PartitionSource<ReadRecord<K, V, U>>, Control>;
export function plainPartitionedSource<
  K = string,
  V = Buffer | null,
  T = unknown,
  U extends UndecodableSetting = Undecodable,
>(
  settings: ConsumerSettings & ConsumerSerdes<K, V, U>,
  graph: PartitionGraph<Source<ReadRecord<K, V, U>>, T>,
): Source<T, Control>;
export function plainPartitionedSource<K, V, T, U extends UndecodableSetting>(
  settings: ConsumerSettings & ConsumerSerdes<K, V, U>,
  graph?: PartitionGraph<Source<ReadRecord<K, V, U>>, T>,
): Source<PartitionSource<ReadRecord<K, V, U>> | T, Control> {
  return plain("plainPartitionedSource", settings, graph);
}

/**
 * `committableSource` with a stream of its own for each assigned partition: a slow one holds back no other. One that fails
 * or is cancelled is emitted again, after `restartBackoff`; it begins with the first record that was not committed.
 * Emits when a partition is assigned. Completes on `control.stop()`, as every partition's source does.
 *
 * Given the `graph` of a partition, it runs each by itself, as soon as the partition is assigned; the graph is checked
 * before anything runs.
 * Emits what the stream of a partition resolves with, when it has ended. Completes on `control.stop()`, when all have. Fails
 * when one fails; adheres to supervision: where the decider goes on, the partition is run again after `restartBackoff`.
 *
 * @example
 * const graph = committablePartitionedSource(
 *   {
 *     kafka: { brokers: "localhost:9092", groupId: "index" },
 *     topics: ["lines"],
 *     value: string(),
 *     restartBackoff: { minMs: 200, maxMs: 30_000 },
 *   },
 *   (lines, { topic, partition }) =>
 *     lines
 *       .mapAsync(4, async ({ record, offset }) => {
 *         await index(record.value);
 *         return offset;
 *       })
 *       .withAttributes({ name: `${topic}[${partition}]` })
 *       .toMat(committerSink(), Keep.right),
 * )
 *   .withAttributes({ supervision: Supervision.resumingDecider })
 *   .toMat(Sink.ignore, DrainingControl.from);
 */
export function committablePartitionedSource<K = string, V = Buffer | null, U extends UndecodableSetting = Undecodable>(
  settings: CommittableSettings<K, V, U>,
): Source<PartitionSource<ReadMessage<K, V, U>>, Control>;
export function committablePartitionedSource<
  K = string,
  V = Buffer | null,
  T = unknown,
  U extends UndecodableSetting = Undecodable,
>(settings: CommittableSettings<K, V, U>, graph: PartitionGraph<Source<ReadMessage<K, V, U>>, T>): Source<T, Control>;
export function committablePartitionedSource<K, V, T, U extends UndecodableSetting>(
  settings: CommittableSettings<K, V, U>,
  graph?: PartitionGraph<Source<ReadMessage<K, V, U>>, T>,
): Source<PartitionSource<ReadMessage<K, V, U>> | T, Control> {
  return committable("committablePartitionedSource", settings, graph);
}

/**
 * `plainPartitionedSource` that begins where `getOffsetsOnAssign` says: for positions that are stored with the results.
 * Emits when a partition is assigned and its offset is known. Completes on `control.stop()`. Fails when the look-up fails.
 * With the `graph` of a partition it runs each by itself, as `committablePartitionedSource` does.
 *
 * @example
 * getOffsetsOnAssign: (partitions) =>
 *   Promise.all(partitions.map(async (each) => ({ ...each, offset: await db.nextOffset(each.partition) }))),
 */
export function plainPartitionedManualOffsetSource<
  K = string,
  V = Buffer | null,
  U extends UndecodableSetting = Undecodable,
>(
  settings: ConsumerSettings & ConsumerSerdes<K, V, U> & ManualOffsets,
): Source<PartitionSource<ReadRecord<K, V, U>>, Control>;
export function plainPartitionedManualOffsetSource<
  K = string,
  V = Buffer | null,
  T = unknown,
  U extends UndecodableSetting = Undecodable,
>(
  settings: ConsumerSettings & ConsumerSerdes<K, V, U> & ManualOffsets,
  graph: PartitionGraph<Source<ReadRecord<K, V, U>>, T>,
): Source<T, Control>;
export function plainPartitionedManualOffsetSource<K, V, T, U extends UndecodableSetting>(
  settings: ConsumerSettings & ConsumerSerdes<K, V, U> & ManualOffsets,
  graph?: PartitionGraph<Source<ReadRecord<K, V, U>>, T>,
): Source<PartitionSource<ReadRecord<K, V, U>> | T, Control> {
  return plain("plainPartitionedManualOffsetSource", settings, graph);
}

/**
 * `committablePartitionedSource` that begins where `getOffsetsOnAssign` says, and also commits, for tools that show the
 * group's lag.
 * Emits when a partition is assigned and its offset is known. Completes on `control.stop()`. Fails when the look-up fails.
 * With the `graph` of a partition it runs each by itself, as `committablePartitionedSource` does.
 */
export function committablePartitionedManualOffsetSource<
  K = string,
  V = Buffer | null,
  U extends UndecodableSetting = Undecodable,
>(settings: CommittableSettings<K, V, U> & ManualOffsets): Source<PartitionSource<ReadMessage<K, V, U>>, Control>;
export function committablePartitionedManualOffsetSource<
  K = string,
  V = Buffer | null,
  T = unknown,
  U extends UndecodableSetting = Undecodable,
>(
  settings: CommittableSettings<K, V, U> & ManualOffsets,
  graph: PartitionGraph<Source<ReadMessage<K, V, U>>, T>,
): Source<T, Control>;
export function committablePartitionedManualOffsetSource<K, V, T, U extends UndecodableSetting>(
  settings: CommittableSettings<K, V, U> & ManualOffsets,
  graph?: PartitionGraph<Source<ReadMessage<K, V, U>>, T>,
): Source<PartitionSource<ReadMessage<K, V, U>> | T, Control> {
  return committable("committablePartitionedManualOffsetSource", settings, graph);
}
