import type { ClientProperties, ConsumerListener, KafkaDriver, ProducerListener } from "../port.js";
import { RdkafkaConsumer } from "./consumer.js";
import { RdkafkaProducer } from "./producer.js";

/**
 * The driver over node-rdkafka, which is librdkafka.
 *
 * Limits that are node-rdkafka's: metadata of a committed position is not sent; header values that are not UTF-8 text
 * are refused; an error that arrives behind records of the same batch is lost, and librdkafka reports it no second time.
 */
export const rdkafkaDriver: KafkaDriver = {
  name: "node-rdkafka",
  commitsMetadata: false,
  consumer: (properties: ClientProperties, listener: ConsumerListener) => new RdkafkaConsumer(properties, listener),
  producer: (properties: ClientProperties, listener: ProducerListener) => new RdkafkaProducer(properties, listener),
};
