import type { Logger } from "@millrace/streams";
import { type VirtualClock, virtualClock } from "@millrace/streams-testkit";
import type { FakeConsumer } from "./fake-consumer.js";
import { FakeKafka } from "./fake-kafka.js";
import type { FakeProducer, SentRecord } from "./fake-producer.js";
import { until } from "./until.js";

/** A fake cluster with topics, for sources that write dead letters. */
export class LetterRig {
  readonly kafka: FakeKafka = new FakeKafka();
  readonly clock: VirtualClock = virtualClock();
  /** How many partitions each topic has. */
  readonly topics: Map<string, number> = new Map([
    ["t", 2],
    ["t-dlt", 2],
  ]);
  readonly created: unknown[] = [];
  /** Called when a topic is to be made; may throw. */
  onCreate: () => void = () => undefined;
  readonly warnings: string[] = [];
  /** Answers what the producers are given; default: acknowledge. */
  onSent: ((producer: FakeProducer, sent: readonly SentRecord[]) => unknown) | undefined;

  readonly #logger: Logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: (message) => void this.warnings.push(message),
    error: () => undefined,
  };

  constructor() {
    this.kafka.onConsumer = (consumer) => {
      consumer.onMetadata = (name) => ({
        brokers: [],
        topics: [...this.topics]
          .filter(([topic]) => topic === name)
          .map(([topic, count]) => this.#described(topic, count)),
      });
    };
    this.kafka.onProducer = (producer) => {
      const { onSent } = producer;
      producer.onSent = (sent) => {
        if (this.onSent) this.onSent(producer, sent);
        else onSent(sent);
      };
    };
    this.kafka.topicAdmin = () => ({
      createTopic: async (topic) => {
        this.onCreate();
        this.created.push(topic);
        this.topics.set(topic.topic, topic.partitions);
      },
      deleteTopic: async () => undefined,
      growTopic: async () => undefined,
      close: async () => undefined,
    });
  }

  #described(topic: string, count: number) {
    const partitions = Array.from({ length: count }, (_, partition) => ({
      ...{ topic, partition, leader: 1, replicas: [1, 2], inSyncReplicas: [1, 2] },
    }));
    return { topic, partitions };
  }

  get settings() {
    return { kafka: { ...this.kafka.settings, logger: this.#logger }, topics: ["t"] };
  }

  get logger(): Logger {
    return this.#logger;
  }

  /** Which client is that of the source; others ask for metadata. */
  source = 0;

  get client(): FakeConsumer {
    return this.kafka.consumers[this.source] as FakeConsumer;
  }

  get sent(): readonly SentRecord[] {
    return this.kafka.producers.flatMap(({ sent }) => sent);
  }

  get committed(): readonly number[] {
    return this.client.of("commit").flatMap(({ positions }) => positions.map(({ offset }) => offset));
  }

  /** Committers wait for virtual time, and clients answer in real time. */
  async meanwhile(condition: () => boolean, what: string): Promise<void> {
    let isOver = false;
    const advancing = (async () => {
      while (!isOver) await this.clock.advance(1);
    })();
    await until(condition, what).finally(() => (isOver = true));
    await advancing;
  }
}
