// The driver is no public export of @millrace/kafka, so its tests against the mock cluster reach into the package here only.
export { CLIENT_TIMEOUTS } from "../../../packages/kafka/src/client/rdkafka/client-life.js";
export { RdkafkaConsumer } from "../../../packages/kafka/src/client/rdkafka/consumer.js";
export { rdkafkaDriver } from "../../../packages/kafka/src/client/rdkafka/driver.js";
export { RdkafkaProducer } from "../../../packages/kafka/src/client/rdkafka/producer.js";
export type {
  ClientProperties,
  ConsumerClient,
  ConsumerListener,
  Headers,
  OutgoingRecord,
  ProducerClient,
  Subscription,
  TopicPartition,
} from "../../../packages/kafka/src/client/port.js";
export { KafkaConnectorError } from "../../../packages/kafka/src/errors.js";
