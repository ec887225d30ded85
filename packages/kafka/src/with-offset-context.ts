import { Source, SourceWithContext, type WithClaim } from "@millrace/streams";
import type { SourceStage } from "@millrace/streams/stage";
import type { TopicPartition } from "./client/port.js";
import { claimedReader, type ConsumerSerdes } from "./consumer/stages/record-reader.js";
import type { BorrowedConsumerSettings } from "./consumer/shared/borrowing.js";
import type { Control } from "./consumer/control.js";
import { KafkaConnectorError } from "./errors/errors.js";
import { checkingOffsets } from "./graph-check/check-graph.js";
import type { ReadRecord } from "./records/undecodable.js";
import { emittedPartitions, type PartitionGraph, runningPartitions } from "./consumer/stages/partition-graphs.js";
import { consumerOptions, type ConsumerSourceOptions, consumerSource } from "./consumer/stages/consumer-source.js";
import type { ConsumerSettings } from "./settings/consumer-settings.js";
import type { Undecodable, UndecodableSetting } from "./settings/undecodable-settings.js";

/** How sources with context read records, and what they commit. */
interface FollowingSettings<K, V, U extends UndecodableSetting> extends ConsumerSerdes<K, V, U> {
  /**
   * Commits also list, in their metadata, the finished records *above* the committed position, so that a restart or the
   * next owner skips them; `maxBytes` bounds it (default 3900; brokers take 4096), and what does not fit is read again.
   * `parallelConsumer: true` also reads what Confluent's Parallel Consumer wrote. Refused with `INVALID_SETTINGS` where
   * the driver cannot send metadata, as node-rdkafka cannot. Default: off.
   */
  readonly rememberFinished?: boolean | { readonly maxBytes?: number; readonly parallelConsumer?: boolean };
}

/** What sources with context take beside the consumer's settings. */
export interface FollowedSettings<K, V, U extends UndecodableSetting = Undecodable>
  extends ConsumerSettings,
    FollowingSettings<K, V, U> {}

type AnySettings<K, V, U extends UndecodableSetting> =
  | FollowedSettings<K, V, U>
  | (BorrowedConsumerSettings & FollowingSettings<K, V, U>);

/** One assigned partition and its records. */
export interface PartitionWithOffsetContext<K, V, U extends UndecodableSetting = Undecodable> extends TopicPartition {
  /** Completes when the partition is given up or the consumer stops. It can be run once. */
  readonly source: SourceWithContext<ReadRecord<K, V, U>>;
}

const optionsOf = <K, V, U extends UndecodableSetting>(
  name: string,
  settings: AnySettings<K, V, U>,
): ConsumerSourceOptions<WithClaim<ReadRecord<K, V, U>>> => {
  const options = consumerOptions(name, settings, true, claimedReader(settings));
  const { driver, rememberFinished } = options.settings;
  if (rememberFinished && !driver.commitsMetadata) {
    throw new KafkaConnectorError(
      "INVALID_SETTINGS",
      `${name}: the driver ${driver.name} does not send the metadata of a commit, so rememberFinished would remember nothing. Leave it out, or choose a driver that sends it.`,
    );
  }
  return options;
};

/**
 * Records whose offsets follow by themselves: at-least-once through any stage, also unordered, forked and filtering ones.
 * A record is finished once everything derived from it is, and only what is finished without a gap is committed. Ends in
 * `committerSink`, or gives the offsets up with `discardContext`: then nothing is committed.
 * Emits when the client has records, per partition in order. Completes on `control.stop()`. Fails when the client fails
 * fatally, or a record cannot be decoded (adheres to supervision: resume ends the record as discarded).
 *
 * @example
 * await runUntilSignal(
 *   sourceWithOffsetContext({ kafka, topics: ["orders"], value: string() })
 *     .mapAsyncUnordered(16, ({ value }) => ship(value))
 *     .toMat(committerSink(), DrainingControl.from),
 * );
 */
export const sourceWithOffsetContext = <K = string, V = Buffer | null, U extends UndecodableSetting = Undecodable>(
  settings: FollowedSettings<K, V, U> | (BorrowedConsumerSettings & FollowingSettings<K, V, U>),
): SourceWithContext<ReadRecord<K, V, U>, Control> => {
  const options = optionsOf("sourceWithOffsetContext", settings);
  const stage = checkingOffsets(consumerSource(options), "followed", options.logger);
  return SourceWithContext.fromSource(Source.fromStage(stage));
};

/**
 * `sourceWithOffsetContext` with a stream of its own for each assigned partition, so that a slow partition holds back no
 * other: `maxBufferedRecords` holds for each. Run each partition's source into a `committerSink`.
 * Emits when a partition is assigned. Completes on `control.stop()`, as every partition's source does.
 *
 * Given the `graph` of a partition, it runs each by itself, as soon as the partition is assigned.
 * Emits what the stream of a partition resolves with, when it has ended. Completes on `control.stop()`, when all have. Fails
 * when one fails; adheres to supervision: where the decider goes on, the partition is run again after `restartBackoff`.
 *
 * @example
 * const graph = partitionedSourceWithOffsetContext({ kafka, topics: ["lines"], value: string() }, (lines) =>
 *   lines.mapAsyncUnordered(4, ({ value }) => index(value)).toMat(committerSink(), Keep.right),
 * ).toMat(Sink.ignore, DrainingControl.from);
 */
export function partitionedSourceWithOffsetContext<
  K = string,
  V = Buffer | null,
  U extends UndecodableSetting = Undecodable,
>(settings: FollowedSettings<K, V, U>): Source<PartitionWithOffsetContext<K, V, U>, Control>;
export function partitionedSourceWithOffsetContext<
  K = string,
  V = Buffer | null,
  T = unknown,
  U extends UndecodableSetting = Undecodable,
>(
  settings: FollowedSettings<K, V, U>,
  graph: PartitionGraph<SourceWithContext<ReadRecord<K, V, U>>, T>,
): Source<T, Control>;
export function partitionedSourceWithOffsetContext<K, V, T, U extends UndecodableSetting>(
  settings: FollowedSettings<K, V, U>,
  graph?: PartitionGraph<SourceWithContext<ReadRecord<K, V, U>>, T>,
): Source<PartitionWithOffsetContext<K, V, U> | T, Control> {
  const options = optionsOf("partitionedSourceWithOffsetContext", settings);
  const open = (stage: SourceStage<WithClaim<ReadRecord<K, V, U>>, void>): SourceWithContext<ReadRecord<K, V, U>> =>
    SourceWithContext.fromSource(Source.fromStage(stage));
  const all = { options, surface: "followed", open } as const;
  return graph ? runningPartitions(all, graph) : emittedPartitions(all);
}
