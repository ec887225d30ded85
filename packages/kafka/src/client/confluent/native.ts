import { createRequire } from "node:module";
import {
  type AdminFactory,
  adminsOf,
  type Binding,
  bindingOf,
  checkLibrary,
  type ConsumerFactory,
  consumersOf,
  type NativeProducer,
  type ProducerFactory,
  producersOf,
} from "../rdkafka/native.js";

/** The only file that loads Confluent's package: a fork of node-rdkafka with the same calls, and its repairs. */

export const PACKAGE = "@confluentinc/kafka-javascript";

const confluent = bindingOf(PACKAGE, () => {
  const require = createRequire(import.meta.url);
  const { RdKafka } = require(PACKAGE) as { readonly RdKafka: Binding };
  const { librdkafka } = require(`${PACKAGE}/package.json`) as { readonly librdkafka: string };
  checkLibrary(PACKAGE, RdKafka.librdkafkaVersion, librdkafka);
  const { err2str } = require(`${PACKAGE}/librdkafka.js`) as Binding;
  return { ...RdKafka, err2str, name: PACKAGE };
});

export const createConfluentConsumer: ConsumerFactory = consumersOf(confluent);

/** Its errors fail its calls and are ignored here; without handlers the package would throw them. */
export const createConfluentAdmin: AdminFactory = (client) =>
  adminsOf(confluent)(client, { error: () => undefined, "event.error": () => undefined });

export const createConfluentProducer: ProducerFactory = (client, topic) => {
  const own: Partial<NativeProducer> = { takesBytesInHeaders: true };
  return Object.assign(producersOf(confluent)(client, topic), own);
};
