import { type ConsumerClient, rdkafkaDriver, type TopicPartition } from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { fillTopic } from "../copy/topic.js";
import { keyOf, Tally, valueOf } from "./records.js";

const TIMEOUT_MS = 60_000;

export interface TopicShape {
  readonly partitions: number;
  readonly size: number;
}

const ignored = { onAssign: () => undefined, onRevoke: () => undefined, onError: () => undefined };

const partitionsOf = (topic: string, partitions: number): TopicPartition[] =>
  Array.from({ length: partitions }, (_, partition) => ({ topic, partition }));

/** The topics of a run; what a client wrote or committed is read back, since only that proves it. */
export class BenchTopics {
  readonly #kafka: LocalKafka;
  readonly #suffix = `${process.pid}-${Date.now()}`;
  readonly #filled = new Map<string, number>();
  #created = 0;

  constructor(kafka: LocalKafka) {
    this.#kafka = kafka;
  }

  get brokers(): string {
    return this.#kafka.brokers;
  }

  name(what: string): string {
    this.#created += 1;
    return `bench-${this.#suffix}-${this.#created}-${what}`;
  }

  async empty({ partitions, size }: TopicShape): Promise<string> {
    const topic = this.name(`to-${size}-${partitions}`);
    await this.#kafka.createTopic(topic, { partitions });
    return topic;
  }

  /** A topic of so many records. */
  async filled({ partitions, size }: TopicShape, records: number): Promise<string> {
    const topic = `bench-${this.#suffix}-${size}-${partitions}-${records}`;
    if (this.#filled.has(topic)) return topic;
    await this.#kafka.createTopic(topic, { partitions });
    await fillTopic(this.brokers, records, (index) => ({
      topic,
      partition: index % partitions,
      key: keyOf(index),
      value: valueOf(index, size),
    }));
    this.#filled.set(topic, records);
    return topic;
  }

  remove(topic: string): Promise<void> {
    return this.#kafka.deleteTopic(topic);
  }

  /** Fails unless the topic has each of the records once. */
  async checkWritten(client: string, topic: string, { partitions, size }: TopicShape, records: number): Promise<void> {
    await this.#with(this.name("check"), async (consumer) => {
      let written = 0;
      for (const each of partitionsOf(topic, partitions)) written += (await consumer.watermarks(each, TIMEOUT_MS)).high;
      if (written !== records) throw new Error(`${client}: ${written} records were written instead of ${records}`);
      const tally = new Tally(records, size);
      consumer.subscribe({
        kind: "assignment",
        partitions: partitionsOf(topic, partitions).map((each) => ({ ...each, offset: "beginning" as const })),
      });
      for (const deadline = Date.now() + TIMEOUT_MS; tally.distinct < records && Date.now() < deadline; ) {
        const chunk = await consumer.poll({ maxRecords: 1000, waitMs: 100 });
        for (let index = 0; index < (chunk?.length ?? 0); index++) tally.add(chunk?.value(index) ?? Buffer.alloc(0));
        chunk?.release();
      }
      tally.close(`${client}, ${topic}`);
    });
  }

  /** Fails unless the group has committed just behind the last of the records. */
  async checkCommitted(
    client: string,
    groupId: string,
    topic: string,
    { partitions }: TopicShape,
    records: number,
  ): Promise<void> {
    await this.#with(groupId, async (consumer) => {
      const positions = await consumer.committed(partitionsOf(topic, partitions), TIMEOUT_MS);
      const committed = positions.reduce((sum, { offset }) => sum + offset, 0);
      if (committed === records) return;
      throw new Error(`${client}: committed ${committed} of ${records} records`);
    });
  }

  async #with(groupId: string, use: (consumer: ConsumerClient) => Promise<void>): Promise<void> {
    const consumer = rdkafkaDriver.consumer({ "bootstrap.servers": this.brokers, "group.id": groupId }, ignored);
    await consumer.connect();
    try {
      await use(consumer);
    } finally {
      await consumer.close();
    }
  }
}
