// The drivers' classes are no public exports of @millrace/kafka, so their tests reach into the package here only.
import { confluentDriver } from "../../../packages/kafka/src/client/confluent/driver.js";
import {
  createConfluentConsumer,
  createConfluentProducer,
} from "../../../packages/kafka/src/client/confluent/native.js";
import { rdkafkaDriver } from "../../../packages/kafka/src/client/rdkafka/driver.js";
import {
  type ConsumerFactory,
  createNativeConsumer,
  createNativeProducer,
  type ProducerFactory,
} from "../../../packages/kafka/src/client/rdkafka/native.js";
import type { KafkaDriver } from "../../../packages/kafka/src/client/port.js";

export { CLIENT_TIMEOUTS } from "../../../packages/kafka/src/client/rdkafka/client-life.js";
export { RdkafkaConsumer } from "../../../packages/kafka/src/client/rdkafka/consumer.js";
export { RdkafkaProducer } from "../../../packages/kafka/src/client/rdkafka/producer.js";
export type {
  ClientProperties,
  ConsumerClient,
  ConsumerListener,
  Headers,
  OutgoingRecord,
  ProducerClient,
  ProducerListener,
  Subscription,
  TopicPartition,
} from "../../../packages/kafka/src/client/port.js";
export { KafkaConnectorError } from "../../../packages/kafka/src/errors/errors.js";

interface TestedDriver {
  readonly driver: KafkaDriver;
  readonly createConsumer: ConsumerFactory;
  readonly createProducer: ProducerFactory;
}

/** The default one, or the other in the process that `confluent-driver.test.ts` starts. */
export const tested: TestedDriver =
  process.env["MILLRACE_TESTED_DRIVER"] === confluentDriver.name
    ? { driver: confluentDriver, createConsumer: createConfluentConsumer, createProducer: createConfluentProducer }
    : { driver: rdkafkaDriver, createConsumer: createNativeConsumer, createProducer: createNativeProducer };
