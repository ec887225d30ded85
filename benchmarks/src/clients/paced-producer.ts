import { rdkafkaDriver } from "@millrace/kafka";
import { keyOf, sharedClockMs, valueOf } from "./records.js";
import type { TopicShape } from "./topics.js";

const FLUSH_MS = 30_000;
/** Between records while nobody has read one yet. */
const ALONE_MS = 20;
const TICK_MS = 1;

/** Sends records at an even pace, each with the time at which it was sent. */
export class PacedProducer {
  readonly #shape: TopicShape;
  readonly #topic: string;
  #failure: Error | undefined;
  readonly #producer;

  constructor(brokers: string, topic: string, shape: TopicShape) {
    this.#topic = topic;
    this.#shape = shape;
    this.#producer = rdkafkaDriver.producer(
      { "bootstrap.servers": brokers, "linger.ms": 1, "queue.buffering.max.messages": 100_000 },
      {
        onReports: ({ errors }) => (this.#failure ??= errors.find((error) => error !== undefined)),
        onError: () => undefined,
      },
    );
  }

  /** Single records until `isRead`; then `records` altogether, so many per second. */
  async run(perSecond: number, records: number, isRead: () => boolean): Promise<void> {
    await this.#producer.connect();
    let sent = 0;
    for (; !isRead(); sent++) {
      this.#send(sent, 1);
      await new Promise((resolve) => setTimeout(resolve, ALONE_MS));
      if (this.#failure) throw this.#failure;
    }
    const begun = performance.now();
    for (const before = sent; sent < records; ) {
      const due = before + Math.floor(((performance.now() - begun) / 1000) * perSecond);
      const count = Math.min(due, records) - sent;
      if (count > 0) this.#send(sent, count);
      sent += count;
      if (this.#failure) throw this.#failure;
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    }
    await this.#producer.flush(FLUSH_MS);
    if (this.#failure) throw this.#failure;
  }

  close(): Promise<void> {
    return this.#producer.close({ drop: true });
  }

  #send(from: number, count: number): void {
    const { size, partitions } = this.#shape;
    const sentMs = sharedClockMs();
    const batch = Array.from({ length: count }, (_, offset) => ({
      topic: this.#topic,
      partition: (from + offset) % partitions,
      key: keyOf(from + offset),
      value: valueOf(from + offset, size, sentMs),
    }));
    if (this.#producer.produceBatch(batch, 0, from) < count) {
      throw new Error("the paced producer's queue is full: the broker does not keep up with the pace");
    }
  }
}
