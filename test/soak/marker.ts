import { type KafkaConnectorError, type ProducerClient, rdkafkaDriver } from "@millrace/kafka";

const ANSWER_MS = 20_000;
const PREFIX = "mark,";

/** The number of a mark, or undefined where the text is an output. */
export const markOf = (text: string): number | undefined =>
  text.startsWith(PREFIX) ? Number(text.slice(PREFIX.length)) : undefined;

export interface MarkerOptions {
  readonly brokers: string;
  readonly topic: string;
  readonly partitions: number;
  /** The number of the last mark that is in the topic already; 0 where none is. */
  readonly after: number;
  readonly onError: (error: KafkaConnectorError) => void;
}

/**
 * Writes numbered marks into every partition of the output topic: whoever has read mark n has read all that was
 * acknowledged before it was written. To ask where a partition ends would do as well, but the client was seen never to
 * answer that when the broker was frozen meanwhile.
 */
export class Marker {
  readonly #topic: string;
  readonly #partitions: number;
  readonly #client: ProducerClient;
  /** The number of the last mark. */
  last: number;
  #missing = 0;
  #settle: (error: Error | undefined) => void = () => undefined;

  constructor({ brokers, topic, partitions, after, onError }: MarkerOptions) {
    this.#topic = topic;
    this.#partitions = partitions;
    this.last = after;
    this.#client = rdkafkaDriver.producer(
      { "bootstrap.servers": brokers, "message.timeout.ms": ANSWER_MS, log_level: 0 },
      {
        onReports: ({ ids, errors }) => {
          for (let index = 0; index < ids.length; index++) this.#reported(ids[index] ?? -1, errors[index]);
        },
        onError,
      },
    );
  }

  connect(): Promise<void> {
    return this.#client.connect();
  }

  close(): Promise<void> {
    return this.#client.close({ drop: true });
  }

  /** Resolves with the number of the mark, once it is in every partition. */
  async mark(): Promise<number> {
    const number = ++this.last;
    const value = Buffer.from(`${PREFIX}${number}`);
    const records = Array.from({ length: this.#partitions }, (_, partition) => {
      return { topic: this.#topic, partition, key: null, value };
    });
    this.#missing = records.length;
    const settled = new Promise<void>((resolve, reject) => {
      this.#settle = (error) => (error === undefined ? resolve() : reject(error));
    });
    this.#client.produceBatch(records, 0, number * this.#partitions);
    await settled;
    return number;
  }

  #reported(id: number, error: Error | undefined): void {
    // Of a mark that has failed already.
    if (Math.floor(id / this.#partitions) !== this.last) return;
    this.#missing -= 1;
    if (error !== undefined || this.#missing === 0) this.#settle(error);
  }
}
