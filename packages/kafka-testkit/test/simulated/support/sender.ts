import type { ClientProperties, DeliveryReports, ProducerClient, ProducerTransactions } from "@millrace/kafka";
import type { SimulatedKafka } from "@millrace/kafka-testkit";

/** A producer that remembers what became of each value. */
export class Sender {
  readonly client: ProducerClient;
  readonly acknowledged: string[] = [];
  readonly failed = new Map<string, Error>();
  readonly errors: Error[] = [];
  readonly #values: string[] = [];

  constructor(kafka: SimulatedKafka, clientId: string, properties: ClientProperties = {}) {
    this.client = kafka.driver.producer(
      { "client.id": clientId, ...properties },
      {
        onReports: ({ ids, errors }: DeliveryReports) => {
          ids.forEach((id, index) => {
            const [value, error] = [this.#values[id] as string, errors[index]];
            if (error) this.failed.set(value, error);
            else this.acknowledged.push(value);
          });
        },
        onError: (error) => this.errors.push(error),
      },
    );
  }

  get transactions(): ProducerTransactions {
    const { transactions } = this.client;
    if (!transactions) throw new Error("make the sender with a transactional.id");
    return transactions;
  }

  /** Sends each value in a request of its own. */
  send(topic: string, partition: number, ...values: readonly string[]): void {
    for (const value of values) {
      const id = this.#values.push(value) - 1;
      this.client.produceBatch([{ topic, partition, key: null, value: Buffer.from(value) }], 0, id);
    }
  }
}
