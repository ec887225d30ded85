import { createRequire } from "node:module";
import type { Consumer, Producer } from "kafkajs";
import { SENDS_IN_FLIGHT } from "./job.js";
import { kafkaJsLoops } from "./kafkajs-loop.js";

type Settings = Readonly<Record<string, unknown>>;

interface Client {
  consumer(settings: Settings): Consumer;
  producer(settings: Settings): Producer;
}

const { KafkaJS } = createRequire(import.meta.url)("@confluentinc/kafka-javascript") as {
  readonly KafkaJS: {
    readonly Kafka: new (settings: Settings) => Client;
    readonly logLevel: { readonly ERROR: number };
  };
};

const client = (brokers: string): Client =>
  new KafkaJS.Kafka({ kafkaJS: { brokers: brokers.split(","), logLevel: KafkaJS.logLevel.ERROR } });

export const works = kafkaJsLoops({
  consumer: ({ brokers, groupId }) =>
    client(brokers).consumer({
      kafkaJS: { groupId, fromBeginning: true, autoCommit: false },
      "fetch.queue.backoff.ms": 5,
      // Its default of 32 makes a call and a promise of so few records.
      "js.consumer.max.batch.size": 1000,
      // By default it reads 1.5 s ahead: a whole topic of ours, before any of it is timed.
      "js.consumer.max.cache.size.per.worker.ms": 50,
    }),
  producer: ({ brokers }) => client(brokers).producer({ kafkaJS: { idempotent: true }, "linger.ms": 5 }),
  sendsInFlight: SENDS_IN_FLIGHT,
  subscribe: {},
  run: {},
});
