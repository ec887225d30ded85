import rdkafka, { type KafkaConsumer, type Message } from "node-rdkafka";
import { consumerProperties, type Keyed } from "./job.js";

const READ = 1000;

const connected = (consumer: KafkaConsumer): Promise<unknown> =>
  new Promise((resolve, reject) =>
    consumer.connect({}, (error) => (error ? reject(new Error(error.message)) : resolve(null))),
  );

const disconnected = (consumer: KafkaConsumer): Promise<void> =>
  new Promise((resolve) => consumer.disconnect(() => resolve()));

const consume = (consumer: KafkaConsumer): Promise<Message[]> =>
  new Promise((resolve, reject) =>
    consumer.consume(READ, (error, messages) => (error ? reject(error) : resolve(messages))),
  );

/**
 * The ceiling: starts the work of every record as it comes, up to the concurrency, and lets the client commit by itself,
 * also what is still being worked on. A crash loses records, and no order is kept.
 */
export const unsafeLoop: Keyed = async (job) => {
  const consumer = new rdkafka.KafkaConsumer(
    { ...consumerProperties(job), "enable.auto.commit": true, "auto.commit.interval.ms": 200 },
    { "auto.offset.reset": "earliest" },
  );
  consumer.setDefaultConsumeTimeout(5);
  let open = 0;
  let done = 0;
  let ended = (): void => undefined;
  const onEnded = (): void => {
    open -= 1;
    done += 1;
    job.onDone();
    ended();
  };
  /** Resolves when work has ended. */
  const next = (): Promise<void> => new Promise((resolve) => (ended = resolve));
  await connected(consumer);
  consumer.subscribe([job.topic]);
  let started = 0;
  while (started < job.records) {
    for (const { key, value } of await consume(consumer)) {
      while (open >= job.concurrency) await next();
      open += 1;
      started += 1;
      void job.work(key?.toString() ?? "", value as Buffer).then(onEnded);
    }
  }
  while (done < job.records) await next();
  await disconnected(consumer);
};
