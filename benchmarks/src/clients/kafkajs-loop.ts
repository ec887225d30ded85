import type { Batch, Consumer, Producer } from "kafkajs";
import { Commits } from "./commits.js";
import { type ClientJob, recordsPerSend, type Work, type Works } from "./job.js";
import { keyOf, valueOf } from "./records.js";
import { Sends } from "./sends.js";

/** Partitions of which batches are worked on at a time. */
const CONCURRENT_PARTITIONS = 8;

/** kafkajs, or Confluent's client with the same calls, which wants some settings elsewhere. */
export interface KafkaJs {
  readonly consumer: (job: ClientJob) => Consumer;
  readonly producer: (job: ClientJob) => Producer;
  /** Sends that may be under way without harm. */
  readonly sendsInFlight: number;
  /** Of `subscribe` and of `run`. */
  readonly subscribe: { readonly fromBeginning?: boolean };
  readonly run: { readonly autoCommit?: boolean };
}

const read = async (
  { consumer, subscribe, run }: KafkaJs,
  job: ClientJob,
  onBatch: (batch: Batch, consumer: Consumer) => Promise<void> | void,
): Promise<Consumer> => {
  const reader = consumer(job);
  await reader.connect();
  await reader.subscribe({ topics: [job.from], ...subscribe });
  await reader.run({
    ...run,
    partitionsConsumedConcurrently: Math.min(job.partitions, CONCURRENT_PARTITIONS),
    eachBatch: async ({ batch }) => {
      try {
        await onBatch(batch, reader);
      } catch (error) {
        job.onFailure(error);
      }
    },
  });
  return reader;
};

const commitsOf = (job: ClientJob, consumer: () => Consumer): Commits =>
  new Commits(job, (positions) =>
    consumer().commitOffsets(positions.map((position) => ({ ...position, offset: String(position.offset) }))),
  );

const nextOf = ({ messages }: Batch): number => Number(messages.at(-1)?.offset) + 1;

const reading =
  (client: KafkaJs, commits: boolean): Work =>
  async (job) => {
    let reader: Consumer | undefined;
    const finished = commitsOf(job, () => reader as Consumer);
    reader = await read(client, job, (batch, consumer) => {
      reader = consumer;
      for (const { value } of batch.messages) job.process(value);
      if (!commits) return;
      finished.done(batch.partition, nextOf(batch), batch.messages.length);
      finished.flush();
    });
    await job.finished;
    await reader.disconnect();
  };

const producing =
  (client: KafkaJs): Work =>
  async (job) => {
    const producer = client.producer(job);
    await producer.connect();
    const sends = new Sends(job.onFailure, client.sendsInFlight);
    const perSend = recordsPerSend(job.size);
    let acknowledged = 0;
    for (let from = 0; from < job.records; from += perSend) {
      const messages = Array.from({ length: Math.min(perSend, job.records - from) }, (_, offset) => {
        const index = from + offset;
        return { partition: index % job.partitions, key: keyOf(index), value: valueOf(index, job.size) };
      });
      await sends.add(
        () => producer.send({ topic: job.to, messages }),
        () => job.onDone((acknowledged += messages.length)),
      );
    }
    await job.finished;
    await producer.disconnect();
  };

const copying =
  (client: KafkaJs): Work =>
  async (job) => {
    const producer = client.producer(job);
    await producer.connect();
    const sends = new Sends(job.onFailure, client.sendsInFlight);
    const perSend = recordsPerSend(job.size);
    let reader: Consumer | undefined;
    const finished = commitsOf(job, () => reader as Consumer);
    reader = await read(client, job, async ({ messages, partition }, consumer) => {
      reader = consumer;
      for (let from = 0; from < messages.length; from += perSend) {
        const slice = messages.slice(from, from + perSend);
        const next = Number(slice.at(-1)?.offset) + 1;
        const copies = slice.map(({ key, value }) => {
          job.process(value);
          return { partition, key, value };
        });
        await sends.add(
          () => producer.send({ topic: job.to, messages: copies }),
          () => {
            finished.done(partition, next, slice.length);
            finished.flush();
          },
        );
      }
    });
    await job.finished;
    await reader.disconnect();
    await producer.disconnect();
  };

/** All workloads over `eachBatch` and `send`. */
export const kafkaJsLoops = (client: KafkaJs): Works => ({
  consume: reading(client, false),
  commit: reading(client, true),
  produce: producing(client),
  copy: copying(client),
});
