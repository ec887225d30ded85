import { type OutgoingRecord, type ProducerClient, rdkafkaDriver } from "@millrace/kafka";

const TURN_MS = 20;
const FLUSH_MS = 60_000;

export interface SteadyLoadOptions {
  readonly brokers: string;
  readonly partitions: number;
  /** Records a second, over all partitions. */
  readonly rate: number;
  /** Makes the record of that place. */
  readonly recordOf: (partition: number, sequence: number) => OutgoingRecord;
}

/**
 * Sends numbered records to every partition in turn, at a steady rate, whatever happens to the brokers, by the client port
 * alone. What a partition cannot take yet it gets later, in order.
 */
export class SteadyLoad implements AsyncDisposable {
  readonly #options: SteadyLoadOptions;
  readonly #client: ProducerClient;
  #timer: NodeJS.Timeout | undefined;
  #turnedAt = 0;
  /** Records that are due, as a fraction of one for each partition. */
  readonly #due: number[];
  /** By partition, the next sequence number to send. */
  readonly #next: number[];
  readonly #acknowledged: number[];
  failure: Error | undefined;

  private constructor(options: SteadyLoadOptions) {
    this.#options = options;
    this.#due = Array.from({ length: options.partitions }, () => 0);
    this.#next = [...this.#due];
    this.#acknowledged = [...this.#due];
    this.#client = rdkafkaDriver.producer(
      {
        "bootstrap.servers": options.brokers,
        "message.timeout.ms": FLUSH_MS,
        "queue.buffering.max.messages": 100_000,
        "topic.metadata.refresh.interval.ms": 1000,
        log_level: 0,
      },
      {
        onReports: ({ partitions, errors, length }) => {
          for (let index = 0; index < length; index++) {
            const partition = partitions[index] ?? 0;
            this.failure ??= errors[index];
            if (errors[index] === undefined) this.#acknowledged[partition] = (this.#acknowledged[partition] ?? 0) + 1;
          }
        },
        // A broker that is away is what this is about.
        onError: () => undefined,
      },
    );
  }

  static async start(options: SteadyLoadOptions): Promise<SteadyLoad> {
    const load = new SteadyLoad(options);
    await load.#client.connect();
    load.#turnedAt = performance.now();
    load.#timer = setInterval(() => load.#turn(), TURN_MS);
    return load;
  }

  /** By partition, how many records are acknowledged: all below that number, because a partition is sent to in order. */
  get acknowledged(): readonly number[] {
    return [...this.#acknowledged];
  }

  /** From now on so many partitions get records. */
  grow(partitions: number): void {
    while (this.#next.length < partitions) for (const list of [this.#due, this.#next, this.#acknowledged]) list.push(0);
  }

  /** Sends no more; done when everything is acknowledged, with how much it is by partition. */
  async stop(): Promise<readonly number[]> {
    clearInterval(this.#timer);
    await this.#client.flush(FLUSH_MS);
    if (this.failure !== undefined) throw this.failure;
    return this.acknowledged;
  }

  [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    return this.#client.close({ drop: true });
  }

  #turn(): void {
    const now = performance.now();
    const share = ((now - this.#turnedAt) / 1000) * (this.#options.rate / this.#next.length);
    this.#turnedAt = now;
    for (let partition = 0; partition < this.#next.length; partition++) {
      const due = (this.#due[partition] ?? 0) + share;
      this.#due[partition] = due - this.#send(partition, Math.floor(due));
    }
  }

  #send(partition: number, count: number): number {
    const first = this.#next[partition] ?? 0;
    const records = Array.from({ length: count }, (_, index) => this.#options.recordOf(partition, first + index));
    if (count === 0) return 0;
    try {
      // Fewer than given: the queue is full while brokers are away.
      const sent = this.#client.produceBatch(records, 0, first);
      this.#next[partition] = first + sent;
      return sent;
    } catch {
      // The client has not heard of a new partition yet.
      return 0;
    }
  }
}
