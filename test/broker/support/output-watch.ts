import { type ConsumerClient, rdkafkaDriver } from "@millrace/kafka";
import { SequenceCheck } from "./sequences.js";
import { partitionsOf } from "./topics.js";

/** A shorter rest is nothing unusual. */
const GAP_MS = 100;
const RETRY_MS = 100;

interface Gap {
  readonly from: number;
  readonly to: number;
}

export interface OutputWatchOptions {
  readonly brokers: string;
  /** Stamped by the broker: `message.timestamp.type=LogAppendTime`. */
  readonly topic: string;
  readonly partitions: number;
  /** What is wrong with a record, if anything. */
  readonly objection: (partition: number, key: string, value: string) => string | undefined;
}

/**
 * Reads a copy while it is made, by the client port alone, and judges it record by record. Times are those at which the
 * broker appended a record, so that the reader's own troubles do not count.
 */
export class OutputWatch implements AsyncDisposable {
  readonly #options: OutputWatchOptions;
  readonly #client: ConsumerClient;
  readonly #offsets: number[];
  /** By partition, when something new was appended last. */
  readonly #last: (number | undefined)[];
  readonly #gaps: Gap[] = [];
  readonly #repeatedAt: number[] = [];
  readonly check: SequenceCheck;
  readonly objections: string[] = [];
  #reading: Promise<void> | undefined;
  #closing = false;

  private constructor(options: OutputWatchOptions) {
    this.#options = options;
    this.#offsets = Array.from({ length: options.partitions }, () => 0);
    this.#last = this.#offsets.map(() => undefined);
    this.check = new SequenceCheck(options.partitions);
    this.#client = rdkafkaDriver.consumer(
      { "bootstrap.servers": options.brokers, "group.id": "output-watch", log_level: 0 },
      { onAssign: () => undefined, onRevoke: () => undefined, onError: () => undefined },
    );
  }

  static async start(options: OutputWatchOptions): Promise<OutputWatch> {
    const watch = new OutputWatch(options);
    await watch.#client.connect();
    const partitions = partitionsOf(options.topic, options.partitions).map((each) => ({ ...each, offset: 0 }));
    watch.#client.subscribe({ kind: "assignment", partitions });
    watch.#reading = watch.#read();
    return watch;
  }

  /** Everything below these sequence numbers has come. */
  has(wanted: readonly number[]): boolean {
    return wanted.every((next, partition) => (this.check.next[partition] ?? 0) >= next);
  }

  /** From now on each of the first so many partitions is to get something: a gap begins where nothing came before. */
  expect(partitions: number): void {
    for (let partition = 0; partition < partitions; partition++) this.#last[partition] ??= Date.now();
  }

  /** Each of the first so many partitions has got something new after that moment. */
  movedSince(moment: number, partitions: number): boolean {
    return this.#last.slice(0, partitions).every((last) => last !== undefined && last > moment);
  }

  /** The longest time that a partition got nothing new for, of those that ended between the two moments. */
  longestGap(from: number, to: number): number {
    const within = this.#gaps.filter((gap) => gap.to >= from && gap.to < to);
    return within.reduce((longest, gap) => Math.max(longest, gap.to - gap.from), 0);
  }

  /** Records appended in that time that had come before. */
  repeated(from: number, to: number): number {
    return this.#repeatedAt.filter((at) => at >= from && at < to).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    await this.#reading;
    await this.#client.close();
  }

  async #read(): Promise<void> {
    while (!this.#closing) {
      try {
        const chunk = await this.#client.poll({ maxRecords: 2000, waitMs: 100 });
        for (let index = 0; index < (chunk?.length ?? 0); index++) if (chunk) this.#see(chunk, index);
        chunk?.release();
      } catch {
        // A broker is away.
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  #see(chunk: NonNullable<Awaited<ReturnType<ConsumerClient["poll"]>>>, index: number): void {
    const partition = chunk.partition(index);
    const offset = chunk.offset(index);
    // After an error the client may read again what it has read.
    if (offset < (this.#offsets[partition] ?? 0)) return;
    this.#offsets[partition] = offset + 1;
    const value = chunk.value(index)?.toString() ?? "";
    const objection = this.#options.objection(partition, chunk.key(index)?.toString() ?? "", value);
    if (objection !== undefined && this.objections.length < 10) this.objections.push(objection);
    const { duplicates } = this.check;
    this.check.addAny(partition, value);
    const at = chunk.timestamp(index);
    if (this.check.duplicates > duplicates) {
      this.#repeatedAt.push(at);
      return;
    }
    const last = this.#last[partition];
    if (last !== undefined && at - last > GAP_MS) this.#gaps.push({ from: last, to: at });
    this.#last[partition] = at;
  }
}
