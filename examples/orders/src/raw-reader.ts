/** The judge's eyes: node-rdkafka alone, so that what Millrace wrote is not read back by Millrace. */
import rdkafka from "node-rdkafka";

const TIMEOUT_MS = 10_000;
const READ_AT_ONCE = 1_000;

type Done<T> = (error: unknown, result: T) => void;

const promised = <T>(what: string, call: (done: Done<T>) => void): Promise<T> =>
  new Promise((resolve, reject) => {
    call((error, result) => {
      // node-rdkafka types the error as always there; it is null or undefined on success.
      if (error === null || error === undefined) resolve(result);
      else reject(new Error(`Kafka could not ${what}: ${(error as Error).message}`, { cause: error }));
    });
  });

/** Looks at topics and at a group's offsets without joining the group. */
export class RawReader {
  readonly #client: rdkafka.KafkaConsumer;

  private constructor(client: rdkafka.KafkaConsumer) {
    this.#client = client;
  }

  static async open(brokers: string, groupId: string): Promise<RawReader> {
    const client = new rdkafka.KafkaConsumer(
      { "bootstrap.servers": brokers, "group.id": groupId, "enable.auto.commit": false, log_level: 0 },
      { "auto.offset.reset": "error" },
    );
    // A broker that goes away is seen by the call that needs it; without a listener it would be thrown.
    client.on("event.error", () => undefined);
    client.setDefaultConsumeTimeout(100);
    await promised<unknown>("connect", (done) => void client.connect({ allTopics: false, timeout: TIMEOUT_MS }, done));
    return new RawReader(client);
  }

  /** The offset after the last record of each partition. */
  async ends(topic: string): Promise<readonly number[]> {
    const partitions = await this.#partitions(topic);
    return Promise.all(
      partitions.map(async (partition) => {
        const { highOffset } = await promised<rdkafka.WatermarkOffsets>(
          `find the end of ${topic}`,
          (done) => void this.#client.queryWatermarkOffsets(topic, partition, TIMEOUT_MS, done),
        );
        return highOffset;
      }),
    );
  }

  /** The group's committed offset of each partition, `undefined` where it has none. */
  async committed(topic: string): Promise<readonly (number | undefined)[]> {
    const partitions = await this.#partitions(topic);
    const wanted = partitions.map((partition) => ({ topic, partition }));
    const found = await promised<rdkafka.TopicPartition[]>("read the committed offsets", (done) =>
      this.#client.committed(wanted, TIMEOUT_MS, done),
    );
    const offsets = new Map(found.map((each) => [each.partition, (each as { readonly offset?: number }).offset]));
    return partitions.map((partition) => offsets.get(partition));
  }

  /** Every value of the topic as it is now. */
  async values(topic: string): Promise<readonly string[]> {
    const ends = await this.ends(topic);
    const left = new Map(ends.flatMap((end, partition) => (end > 0 ? [[partition, end] as const] : [])));
    const values: string[] = [];
    this.#client.assign([...left.keys()].map((partition) => ({ topic, partition, offset: 0 })));
    while (left.size > 0) {
      const messages = await promised<rdkafka.Message[]>(`read ${topic}`, (done) =>
        this.#client.consume(READ_AT_ONCE, done),
      );
      for (const { partition, offset, value } of messages) {
        values.push(String(value));
        if (offset + 1 >= (left.get(partition) ?? 0)) left.delete(partition);
      }
    }
    this.#client.unassign();
    return values;
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#client.disconnect(() => resolve()));
  }

  async #partitions(topic: string): Promise<readonly number[]> {
    const { topics } = await promised<rdkafka.Metadata>(
      `describe ${topic}`,
      (done) => void this.#client.getMetadata({ topic, timeout: TIMEOUT_MS }, done),
    );
    const described = topics.find(({ name }) => name === topic)?.partitions ?? [];
    return described.map(({ id }) => id).sort((a, b) => a - b);
  }
}
