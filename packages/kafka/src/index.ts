export type {
  ClientProperties,
  ConsumerClient,
  ConsumerListener,
  DeliveryReports,
  Headers,
  KafkaDriver,
  OutgoingRecord,
  PartitionRun,
  PollOptions,
  ProducerClient,
  ProducerListener,
  ProducerTransactions,
  RecordChunk,
  Subscription,
  TopicPartition,
  TopicPartitionOffset,
} from "./client/port.js";
export { rdkafkaDriver } from "./client/rdkafka/driver.js";
export { CommittableOffset, type OffsetOwner, type PositionToCommit } from "./committable-offset.js";
export { type Committable, CommittableOffsetBatch } from "./committable-offset-batch.js";
export { committerFlow, committerSink } from "./committer.js";
export { type CommittableSettings, committableSource, type ConsumerSerdes, plainSource } from "./consumer.js";
export { type Control, DrainingControl } from "./control.js";
export { KafkaConnectorError, type KafkaErrorCode, type KafkaErrorOptions } from "./errors.js";
export {
  type CommittableMessage,
  type ConsumerRecord,
  passThrough,
  produce,
  produceMulti,
  type ProducerEnvelope,
  type ProducerRecord,
  type ProducerResult,
  type RecordMetadata,
} from "./messages.js";
export { producerFlow, producerSink, type ProducerSettings } from "./producer.js";
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
} from "./serde.js";
export type { CommitterSettings, ConsumerSettings, KafkaSettings, SubscriptionSettings } from "./settings.js";
