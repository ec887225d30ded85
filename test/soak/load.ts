import { type OutgoingRecord, type ProducerClient, rdkafkaDriver } from "@millrace/kafka";
import { inputValue, keyOf, partitionOf } from "./records.js";

const TURN_MS = 20;
const FLUSH_MS = 120_000;

export interface LoadOptions {
  readonly brokers: string;
  readonly topic: string;
  readonly partitions: number;
  readonly records: number;
  readonly durationMs: number;
  readonly onAcknowledged: (number: number, partition: number, offset: number) => void;
}

/** Produces the numbered records at a steady rate, whatever happens to the broker, by the client port alone. */
export class Load {
  readonly #options: LoadOptions;
  readonly #client: ProducerClient;
  #timer: NodeJS.Timeout | undefined;
  #waiting: OutgoingRecord[] = [];
  /** The number of the first waiting record. */
  #next = 0;
  #failure: Error | undefined;
  acknowledged = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#client = rdkafkaDriver.producer(
      {
        "bootstrap.servers": options.brokers,
        "compression.codec": "lz4",
        "message.timeout.ms": FLUSH_MS,
        "queue.buffering.max.messages": 100_000,
        log_level: 0,
      },
      {
        onReports: ({ ids, partitions, offsets, errors }) => {
          for (let index = 0; index < ids.length; index++) {
            this.#failure ??= errors[index];
            if (errors[index] !== undefined) continue;
            this.acknowledged += 1;
            options.onAcknowledged(ids[index] ?? -1, partitions[index] ?? -1, offsets[index] ?? -1);
          }
        },
        // A broker that is away is what this is about.
        onError: () => undefined,
      },
    );
  }

  /** Resolves when every record is acknowledged. */
  async run(stopped: AbortSignal): Promise<void> {
    await this.#client.connect();
    const began = Date.now();
    await new Promise<void>((resolve) => {
      this.#timer = setInterval(() => {
        this.#send(Date.now() - began);
        if (!stopped.aborted && this.#next < this.#options.records && this.#failure === undefined) return;
        clearInterval(this.#timer);
        resolve();
      }, TURN_MS);
    });
    if (!stopped.aborted) await this.#client.flush(FLUSH_MS);
    if (this.#failure !== undefined) throw this.#failure;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#client.close({ drop: true });
  }

  #send(elapsedMs: number): void {
    const { records, durationMs, topic, partitions } = this.#options;
    const due = Math.min(records, Math.floor((records * elapsedMs) / durationMs));
    for (let number = this.#next + this.#waiting.length; number < due; number++) {
      this.#waiting.push({
        topic,
        partition: partitionOf(number, partitions),
        key: Buffer.from(String(keyOf(number))),
        value: Buffer.from(inputValue(number)),
      });
    }
    if (this.#waiting.length === 0) return;
    // Fewer than given: the queue is full while the broker is away; the rest follows in a later turn.
    const accepted = this.#client.produceBatch(this.#waiting, 0, this.#next);
    this.#next += accepted;
    this.#waiting = this.#waiting.slice(accepted);
  }
}
