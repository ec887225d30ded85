import {
  KafkaConnectorError,
  MetadataClient,
  type OutgoingRecord,
  type ProducerClient,
  rdkafkaDriver,
} from "@millrace/kafka";
import { inputValue, keyOf, partitionOf } from "./records.js";

const TURN_MS = 20;
const REPORT_MS = 120_000;
const ANSWER_MS = 10_000;
const RETRY_MS = 500;

export interface LoadOptions {
  readonly brokers: string;
  readonly topic: string;
  readonly partitions: number;
  readonly records: number;
  readonly durationMs: number;
  readonly onAcknowledged: (number: number, partition: number, offset: number) => void;
}

interface Sent {
  readonly record: OutgoingRecord;
  /** Where it comes to stand: nothing else writes into the topic, and the client keeps the order of a partition. */
  readonly offset: number;
}

/**
 * Produces the numbered records at a steady rate, whatever happens to the broker, by the client port alone. librdkafka can
 * lose its brokers for good, and says so by a fatal error: then the ends of the partitions tell what of the unacknowledged is
 * there, and a new client sends the rest.
 */
export class Load {
  readonly #options: LoadOptions;
  #client: ProducerClient;
  #clients = 0;
  #lost = false;
  #renewing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Records made, and so the number of the next. */
  #made = 0;
  /** By partition, how many were made. */
  readonly #ends: number[];
  /** By number, in their order: neither acknowledged nor failed. */
  readonly #open = new Map<number, Sent>();
  /** Numbers of open records that the client does not have. */
  #unsent: number[] = [];
  #failure: Error | undefined;
  acknowledged = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#ends = Array.from({ length: options.partitions }, () => 0);
    this.#client = this.#newClient();
  }

  /** Resolves when every record is acknowledged. */
  async run(stopped: AbortSignal): Promise<void> {
    await this.#client.connect();
    const began = Date.now();
    await new Promise<void>((resolve) => {
      this.#timer = setInterval(() => {
        if (this.#lost) this.#renewing ??= this.#renew();
        else this.#send(Date.now() - began);
        const isDone = this.acknowledged === this.#options.records;
        if (!stopped.aborted && !isDone && this.#failure === undefined) return;
        clearInterval(this.#timer);
        resolve();
      }, TURN_MS);
    });
    if (this.#failure !== undefined) throw this.#failure;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#renewing;
    await this.#client.close({ drop: true });
  }

  #send(elapsedMs: number): void {
    const { records, durationMs, topic, partitions } = this.#options;
    const due = Math.min(records, Math.floor((records * elapsedMs) / durationMs));
    for (; this.#made < due; this.#made++) {
      const partition = partitionOf(this.#made, partitions);
      const key = Buffer.from(String(keyOf(this.#made)));
      const record = { topic, partition, key, value: Buffer.from(inputValue(this.#made)) };
      const offset = this.#ends[partition] ?? 0;
      this.#ends[partition] = offset + 1;
      this.#open.set(this.#made, { record, offset });
      this.#unsent.push(this.#made);
    }
    // The queue is full while the broker is away; the rest follows in a later turn.
    const refused = this.#unsent.findIndex((number) => !this.#accepts(number));
    this.#unsent = refused < 0 ? [] : this.#unsent.slice(refused);
  }

  #accepts(number: number): boolean {
    const sent = this.#open.get(number);
    return sent === undefined || this.#client.produceBatch([sent.record], 0, number) === 1;
  }

  #acknowledge(number: number, partition: number, offset: number): void {
    this.#open.delete(number);
    this.acknowledged += 1;
    this.#options.onAcknowledged(number, partition, offset);
  }

  /** Fails while the broker is away again, and is tried again. */
  async #renew(): Promise<void> {
    try {
      await this.#client.close({ drop: true }).catch(() => undefined);
      this.#client = this.#newClient();
      await this.#client.connect();
      const stored = await this.#stored();
      for (const [number, { record, offset }] of this.#open) {
        const partition = record.partition ?? 0;
        if (offset < (stored[partition] ?? 0)) this.#acknowledge(number, partition, offset);
      }
      this.#unsent = [...this.#open.keys()];
      this.#lost = false;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
    this.#renewing = undefined;
  }

  /** Where each partition ends. */
  async #stored(): Promise<readonly number[]> {
    const { brokers, topic, partitions } = this.#options;
    await using metadata = await MetadataClient.open({ kafka: { brokers }, timeoutMs: ANSWER_MS });
    const ends = await metadata.endOffsets(
      Array.from({ length: partitions }, (_, partition) => ({ topic, partition })),
    );
    return ends.map(({ offset }) => offset);
  }

  #newClient(): ProducerClient {
    const own = ++this.#clients;
    return rdkafkaDriver.producer(
      {
        "bootstrap.servers": this.#options.brokers,
        "compression.codec": "lz4",
        "message.timeout.ms": REPORT_MS,
        "queue.buffering.max.messages": 100_000,
        log_level: 0,
      },
      {
        onReports: ({ ids, partitions, offsets, errors }) => {
          for (let index = 0; index < ids.length; index++) {
            // What a lost client drops is sent by the next.
            if (this.#lost || own !== this.#clients) return;
            this.#failure ??= errors[index];
            if (errors[index] !== undefined) continue;
            this.#acknowledge(ids[index] ?? -1, partitions[index] ?? -1, offsets[index] ?? -1);
          }
        },
        // Any other is about a broker that is away, which is what this is about.
        onError: (error) => {
          if (own === this.#clients && error instanceof KafkaConnectorError && error.fatal) this.#lost = true;
        },
      },
    );
  }
}
