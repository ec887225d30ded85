import type { LocalKafka } from "@millrace/kafka-testkit";
import { fillTopic } from "../copy/topic.js";
import { hottest, type KeyDistribution, sampleKeys } from "./keys.js";

const PARTITIONS = 8;

export interface TopicRequest extends KeyDistribution {
  /** At most. */
  readonly records: number;
  /** How long a record keeps its key busy; 0 where no order is kept. */
  readonly inOrderMs: number;
  /** Fewer records where the hottest key alone would take longer than this. */
  readonly seconds: number;
}

export interface KeyedTopic {
  readonly topic: string;
  readonly records: number;
  /** Records of the key that has most. */
  readonly hottest: number;
}

const VALUE = Buffer.from(JSON.stringify({ order: 0, customer: 0, note: "x".repeat(60) }));

/** As many records as the hottest key allows in the time, at least a few hundred. */
const fitting = (sample: Int32Array, { inOrderMs, seconds }: TopicRequest): number => {
  const expected = (hottest(sample) * inOrderMs) / 1000;
  return expected <= seconds ? sample.length : Math.max(300, Math.floor((sample.length * seconds) / expected));
};

/** Topics filled when they are first asked for, and used again. */
export class KeyedTopics {
  readonly #kafka: LocalKafka;
  readonly #progress: (text: string) => void;
  readonly #filled = new Map<string, KeyedTopic>();

  constructor(kafka: LocalKafka, progress: (text: string) => void) {
    this.#kafka = kafka;
    this.#progress = progress;
  }

  get brokers(): string {
    return this.#kafka.brokers;
  }

  async of(request: TopicRequest): Promise<KeyedTopic> {
    const full = sampleKeys(request, request.records);
    const sample = full.subarray(0, fitting(full, request));
    const name = `bench-keyed-${request.exponent}-${sample.length}-${process.pid}`;
    const known = this.#filled.get(name);
    if (known) return known;
    this.#progress(`filling ${name}`);
    await this.#kafka.createTopic(name, { partitions: PARTITIONS });
    await fillTopic(this.brokers, sample.length, (index) => {
      const key = sample[index] as number;
      return { topic: name, partition: key % PARTITIONS, key: Buffer.from(`customer-${key}`), value: VALUE };
    });
    const topic = { topic: name, records: sample.length, hottest: hottest(sample) };
    this.#filled.set(name, topic);
    return topic;
  }
}
