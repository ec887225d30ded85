import type {
  ClientProperties,
  ConsumerClient,
  ConsumerListener,
  KafkaConnectorError,
  Subscription,
  TopicPartition,
} from "@millrace/kafka";
import type { SimulatedKafka } from "@millrace/kafka-testkit";

export const nameOf = ({ topic, partition }: TopicPartition): string => `${topic}-${partition}`;

/** A consumer that polls by itself from `start` to `close`, and remembers what it was told and what it read. */
export class Member {
  readonly client: ConsumerClient;
  readonly owned = new Set<string>();
  readonly told: string[] = [];
  readonly read: string[] = [];
  readonly errors: Error[] = [];
  onRevoke: () => Promise<void> = () => Promise.resolve();
  onAssign: () => Promise<void> = () => Promise.resolve();
  polls = 0;
  #running = false;
  #loop: Promise<void> = Promise.resolve();

  /** With `hearsLoss` its listener is one that has an `onLost`. */
  constructor(kafka: SimulatedKafka, clientId: string, properties: ClientProperties = {}, hearsLoss = false) {
    const onLost = (partitions: readonly TopicPartition[]): void => {
      this.told.push(`!${partitions.map(nameOf).join(" ")}`);
      for (const each of partitions) this.owned.delete(nameOf(each));
    };
    const listener: ConsumerListener = {
      ...(hearsLoss ? { onLost } : undefined),
      onAssign: async (partitions) => {
        this.told.push(`+${partitions.map(nameOf).join(" ")}`);
        await this.onAssign();
        for (const each of partitions) this.owned.add(nameOf(each));
      },
      onRevoke: async (partitions) => {
        this.told.push(`-${partitions.map(nameOf).join(" ")}`);
        await this.onRevoke();
        for (const each of partitions) this.owned.delete(nameOf(each));
      },
      onError: (error) => this.errors.push(error),
    };
    this.client = kafka.driver.consumer(
      { "client.id": clientId, "group.id": "g", "auto.offset.reset": "earliest", ...properties },
      listener,
    );
  }

  start(subscription: Subscription = { kind: "topics", topics: ["t"] }): this {
    this.#running = true;
    this.#loop = this.client.connect().then(() => {
      this.client.subscribe(subscription);
      return this.#poll();
    });
    return this;
  }

  /** Polls again, after `stall`. */
  resume(): void {
    this.#running = true;
    this.#loop = this.#poll();
  }

  /** Polls no more, and does not close: what a handler stuck in an endless loop does. */
  async stall(): Promise<void> {
    this.#running = false;
    await this.#loop;
  }

  async close(): Promise<void> {
    this.#running = false;
    await this.client.close();
    await this.#loop;
  }

  async #poll(): Promise<void> {
    while (this.#running) {
      this.polls += 1;
      try {
        const chunk = await this.client.poll({ maxRecords: 10, waitMs: 50 });
        if (!chunk) continue;
        for (const { topic, partition, from, to } of chunk.runs()) {
          for (let index = from; index < to; index++) this.read.push(`${topic}-${partition}@${chunk.offset(index)}`);
        }
      } catch (error) {
        this.errors.push(error as Error);
        if (!(error as KafkaConnectorError).retriable) return;
      }
    }
  }
}
