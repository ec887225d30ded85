import { freshToken } from "../checked-token.js";
import type { ClientProperties, ConsumerListener, KafkaDriver, ProducerListener, TokenProvider } from "../port.js";
import { timeoutsOf } from "./client-life.js";
import { RdkafkaConsumer } from "./consumer.js";
import {
  type ConsumerFactory,
  createNativeAdmin,
  createNativeConsumer,
  createNativeProducer,
  type ProducerFactory,
} from "./native.js";
import { withTokens } from "./oauth-tokens.js";
import { RdkafkaProducer } from "./producer.js";
import { RdkafkaTopicAdmin } from "./topic-admin.js";

const consumersWith =
  (tokens: TokenProvider, listener: ConsumerListener): ConsumerFactory =>
  (client, topic, rebalance) =>
    withTokens(createNativeConsumer(client, topic, rebalance), tokens, (error) => listener.onError(error));

const producersWith =
  (tokens: TokenProvider, listener: ProducerListener): ProducerFactory =>
  (client, topic) =>
    withTokens(createNativeProducer(client, topic), tokens, (error) => listener.onError(error));

/** Calls are rare, so each has a token of its own. */
const adminWith = (properties: ClientProperties, tokens: TokenProvider): RdkafkaTopicAdmin =>
  new RdkafkaTopicAdmin(
    properties,
    async (client) => createNativeAdmin(client, (await freshToken(tokens)).token),
    async (native) => native.refreshOauthBearerToken?.((await freshToken(tokens)).token),
  );

/**
 * The driver over node-rdkafka, which is librdkafka.
 *
 * Limits that are node-rdkafka's: metadata of a committed position is not sent; header values that are null, or not UTF-8
 * text without NUL, are refused, and null is read as empty; an error that arrives behind records of the same batch is lost,
 * and librdkafka reports it no second time; extensions of an OAuth token are refused.
 */
export const rdkafkaDriver: KafkaDriver = {
  name: "node-rdkafka",
  commitsMetadata: false,
  sendsBytesInHeaders: false,
  consumer: (properties: ClientProperties, listener: ConsumerListener, tokens?: TokenProvider, connectMs?: number) =>
    new RdkafkaConsumer(properties, listener, timeoutsOf(connectMs), tokens && consumersWith(tokens, listener)),
  producer: (properties: ClientProperties, listener: ProducerListener, tokens?: TokenProvider, connectMs?: number) =>
    new RdkafkaProducer(properties, listener, timeoutsOf(connectMs), tokens && producersWith(tokens, listener)),
  topicAdmin: (properties: ClientProperties, tokens?: TokenProvider) =>
    tokens ? adminWith(properties, tokens) : new RdkafkaTopicAdmin(properties, createNativeAdmin),
};
