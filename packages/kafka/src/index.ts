export { AdminClient, type AdminClientSettings, type CreateTopicOptions } from "./admin/admin-client.js";
export { MetadataClient, type MetadataClientSettings } from "./admin/metadata-client.js";
export type {
  BrokerNode,
  ClientProperties,
  ClusterMetadata,
  ConsumerClient,
  ConsumerListener,
  DeliveryReports,
  Headers,
  KafkaDriver,
  NewTopic,
  OauthToken,
  OutgoingRecord,
  PartitionMetadata,
  PartitionRun,
  PollOptions,
  ProducerClient,
  ProducerListener,
  ProducerTransactions,
  RecordChunk,
  StartingPartition,
  StartPosition,
  Subscription,
  TokenProvider,
  TopicAdmin,
  TopicMetadata,
  TopicPartition,
  TopicPartitionOffset,
  TopicPartitionTime,
  Watermarks,
} from "./client/port.js";
export type { SaslSettings, SecuritySettings, TlsSettings } from "./client/security.js";
export type { ClientStatistics, StatisticsSettings } from "./client/statistics.js";
export { runsOf } from "./client/runs-of.js";
export { handle, handleCommittable } from "./handle.js";
export type { Handled, HandlerAttempt } from "./handling/running-attempt.js";
export type { HandlePolicy, HandlerFailure, Resolution } from "./settings/handle-settings.js";
export { NotRetriableError } from "./errors/not-retriable-error.js";
export { confluentDriver } from "./client/confluent/driver.js";
export type {
  DeadLetter,
  DeadLetterDialect,
  DeadLetterError,
  DeadLetterSource,
} from "./dead-letters/dead-letter.js";
export { readDeadLetter } from "./dead-letters/read-dead-letter.js";
export { rdkafkaDriver } from "./client/rdkafka/driver.js";
export type { CommitOutcome, CommitResult } from "./offsets/commit-result.js";
export { DecoderUnavailableError, type DecoderUnavailableOptions } from "./errors/decoder-unavailable-error.js";
export { DeserializationError } from "./errors/deserialization-error.js";
export { ConnectionFailedError } from "./errors/connection-failed-error.js";
export { CommittableOffset, type OffsetOwner, type PositionToCommit } from "./offsets/committable-offset.js";
export { type Committable, CommittableOffsetBatch, type CommittedBatch } from "./offsets/batch.js";
export { committerFlow, type CommitterSink, committerSink } from "./committer.js";
export type { CommitterSettings } from "./settings/committer-settings.js";
export { atMostOnceSource, type CommittableSettings, committableSource, plainSource } from "./consumer.js";
export type { GroupSettings } from "./settings/group-settings.js";
export type { BorrowedConsumerSettings } from "./consumer/shared/borrowing.js";
export {
  type SharedConsumer,
  sharedConsumer,
  type SharedConsumerMetrics,
  type SharedConsumerSettings,
} from "./consumer/shared/shared-consumer.js";
export type {
  ReadingSettings,
  Until,
  OffsetsOnAssign,
  StartAt,
  RebalanceHandlers,
} from "./settings/reading-settings.js";
export type { Health, HealthCode, HealthReason } from "./consumer/recovery/health.js";
export type { RecoveryMetrics } from "./consumer/recovery/recovery.js";
export type { RecoverySettings } from "./settings/recovery-settings.js";
export type { StuckPartition } from "./consumer/recovery/watched-partition.js";
export type { ConsumerMetrics, PartitionLag } from "./consumer/metrics.js";
export type { ConsumerSerdes } from "./consumer/stages/record-reader.js";
export { type Control, type ControlOfRun, DrainingControl } from "./consumer/control.js";
export type { DrainOptions } from "./consumer/drain.js";
export { DrainError } from "./consumer/drain-error.js";
export type { DrainReport } from "./consumer/drain-report.js";
export {
  KafkaConnectorError,
  type KafkaErrorCode,
  type KafkaErrorOptions,
  type KafkaErrorReason,
} from "./errors/errors.js";
export { byPartition } from "./graph-check/by-partition.js";
export { checkGraph, UnsafeGraphError } from "./graph-check/check-graph.js";
export {
  groupByPartition,
  groupByPartitionWithContext,
  type PartitionGroupsOptions,
} from "./group-by-partition.js";
export {
  type GraphHazard,
  type GraphNote,
  type GraphNoteCode,
  GraphReport,
  type HazardCode,
} from "./graph-check/report.js";
export {
  type CommittableMessage,
  type ConsumerRecord,
  type HeaderValue,
  isProducerFailure,
  passThrough,
  produce,
  produceMulti,
  type ProducerEnvelope,
  type ProducerFailure,
  type ProducerHeaders,
  type ProducerRecord,
  type ProducerResult,
  type RecordMetadata,
} from "./records/messages.js";
export {
  isUndecodable,
  type ReadMessage,
  type ReadRecord,
  type UndecodableMessage,
  type UndecodableRecord,
} from "./records/undecodable.js";
export {
  type DeadLetterOptions,
  type DeadLetters,
  deadLetters,
  type FailedRecord,
  type WrittenDialect,
} from "./settings/dead-letter-settings.js";
export { type Discard, discard, type Undecodable, type UndecodableSetting } from "./settings/undecodable-settings.js";
export type { HeldRecord } from "./consumer/reading/held-records.js";
export type { PartitionGraph } from "./consumer/stages/partition-graphs.js";
export {
  committablePartitionedManualOffsetSource,
  committablePartitionedSource,
  type ManualOffsets,
  type PartitionSource,
  plainPartitionedManualOffsetSource,
  plainPartitionedSource,
} from "./partitioned.js";
export {
  committableSink,
  type FailuresAsElements,
  type FailuresOfStream,
  producerFlow,
  producerFlowWithContext,
  type ProducerInput,
  producerSink,
} from "./producer.js";
export type {
  BorrowedProducerSettings,
  OwnProducerSettings,
  ProducerSettings,
} from "./producer/producer-settings.js";
export { type SharedProducer, sharedProducer, type SharedProducerSettings } from "./producer/shared-producer.js";
export {
  type LetterRecord,
  replayDeadLetters,
  type ReplayReport,
  type ReplaySettings,
} from "./replay-dead-letters.js";
export { resilient, type ResilientSettings } from "./resilient.js";
export { healthServer, type HealthServer, type HealthServerOptions } from "./health-server.js";
export { restarting } from "./restarting.js";
export type { Restart, RestartSettings } from "./settings/restart-settings.js";
export type { RestartingControl } from "./restarting/restarting-control.js";
export { type DrainableControl, runUntilSignal, type RunUntilSignalOptions } from "./run-until-signal.js";
export { SendProducer, type SendSettings } from "./producer/send-producer.js";
export {
  attempt,
  type Attempt,
  bytes,
  type Deserializer,
  json,
  nullable,
  type Serde,
  type Serializer,
  string,
} from "./records/serde.js";
export { silentLogger } from "./logging/silent-logger.js";
export {
  type FollowedSettings,
  partitionedSourceWithOffsetContext,
  type PartitionWithOffsetContext,
  sourceWithOffsetContext,
} from "./with-offset-context.js";
export type { ConsumerSettings, SubscriptionSettings } from "./settings/consumer-settings.js";
export type { KafkaSettings } from "./settings/kafka-settings.js";
export type { BlockingClaim, ConsumerExplanation, PartitionExplanation } from "./consumer/explanation.js";
export type { PartitionReport } from "./consumer/partitions/partition-report.js";
