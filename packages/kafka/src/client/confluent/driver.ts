import type { ClientProperties, ConsumerListener, KafkaDriver, ProducerListener, TokenProvider } from "../port.js";
import { timeoutsOf } from "../rdkafka/client-life.js";
import { RdkafkaConsumer } from "../rdkafka/consumer.js";
import type { ConsumerFactory, ProducerFactory } from "../rdkafka/native.js";
import { RdkafkaProducer } from "../rdkafka/producer.js";
import { RdkafkaTopicAdmin } from "../rdkafka/topic-admin.js";
import { createConfluentAdmin, createConfluentConsumer, createConfluentProducer, PACKAGE } from "./native.js";
import { askingFor, listeningToErrors } from "./oauth-tokens.js";

const consumersWith =
  (tokens: TokenProvider, listener: ConsumerListener): ConsumerFactory =>
  (client, topic, rebalance) => {
    const asking = askingFor(tokens, client, (error) => listener.onError(error));
    return listeningToErrors(createConfluentConsumer(asking, topic, rebalance));
  };

const producersWith =
  (tokens: TokenProvider, listener: ProducerListener): ProducerFactory =>
  (client, topic) => {
    const asking = askingFor(tokens, client, (error) => listener.onError(error));
    return listeningToErrors(createConfluentProducer(asking, topic));
  };

/**
 * The driver over `@confluentinc/kafka-javascript`, which is librdkafka as well; install that package beside this one.
 *
 * Beyond node-rdkafka it sends the metadata of a committed position, takes header values that are any bytes or null, and
 * knows of every loss of partitions. Its properties are librdkafka's, as those of the default driver. Making a client
 * throws `INVALID_SETTINGS` where the package is missing. All clients of a program that take part in transactions need the
 * same driver.
 *
 * Limits that are its own: a NUL follows the metadata on the broker, and counts as a byte of its limit; of metadata that
 * another client wrote the last byte is not read; a header value of null is read as empty.
 */
export const confluentDriver: KafkaDriver = {
  name: PACKAGE,
  commitsMetadata: true,
  sendsBytesInHeaders: true,
  consumer: (properties: ClientProperties, listener: ConsumerListener, tokens?: TokenProvider, connectMs?: number) =>
    new RdkafkaConsumer(
      properties,
      listener,
      timeoutsOf(connectMs),
      tokens ? consumersWith(tokens, listener) : createConfluentConsumer,
    ),
  producer: (properties: ClientProperties, listener: ProducerListener, tokens?: TokenProvider, connectMs?: number) =>
    new RdkafkaProducer(
      properties,
      listener,
      timeoutsOf(connectMs),
      tokens ? producersWith(tokens, listener) : createConfluentProducer,
    ),
  topicAdmin: (properties: ClientProperties, tokens?: TokenProvider) =>
    new RdkafkaTopicAdmin(properties, (client) =>
      // A missing token fails the call.
      createConfluentAdmin(tokens ? askingFor(tokens, client, () => undefined) : client),
    ),
};
