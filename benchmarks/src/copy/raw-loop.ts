import rdkafka, { type KafkaConsumer, type Message, type Producer } from "node-rdkafka";
import { type Copy, type CopyJob, producerProperties } from "./job.js";

const READ = 1000;
/** Reads that may wait for their reports: as many records as the pipeline keeps in flight; more made neither faster. */
const READS_IN_FLIGHT = 4;

/** One read on its way: committed once all its records, and all reads before it, are acknowledged. */
interface Read {
  left: number;
  readonly records: number;
  readonly positions: ReadonlyMap<number, number>;
}

const connected = (client: KafkaConsumer | Producer): Promise<unknown> =>
  new Promise((resolve, reject) =>
    client.connect({}, (error) => (error ? reject(new Error(error.message)) : resolve(null))),
  );

const disconnected = (client: KafkaConsumer | Producer): Promise<void> =>
  new Promise((resolve) => client.disconnect(() => resolve()));

const consume = (consumer: KafkaConsumer): Promise<Message[]> =>
  new Promise((resolve, reject) =>
    consumer.consume(READ, (error, messages) => (error ? reject(error) : resolve(messages))),
  );

/**
 * The copy as an expert writes it by hand: the same promises as the pipeline, and nothing that they do not need. Order per
 * partition, reports counted, commits only of what is acknowledged with all before it, bounded in flight.
 */
class RawLoop {
  readonly #job: CopyJob;
  readonly #consumer: KafkaConsumer;
  readonly #producer: Producer;
  readonly #reads: Read[] = [];
  #firstRead = 0;
  #outstanding = 0;
  #arrived = false;
  #polling: NodeJS.Timeout | NodeJS.Immediate | undefined;
  #toCommit = new Map<number, number>();
  #recordsToCommit = 0;
  #recordsInCommit = 0;
  #committed = 0;
  #failure: unknown;
  #progress: () => void = () => undefined;

  constructor(job: CopyJob) {
    this.#job = job;
    this.#consumer = new rdkafka.KafkaConsumer(
      {
        "bootstrap.servers": job.brokers,
        "group.id": job.groupId,
        "fetch.queue.backoff.ms": 5,
        "enable.auto.commit": false,
        offset_commit_cb: true,
      },
      { "auto.offset.reset": "earliest" },
    );
    this.#producer = new rdkafka.Producer({ ...producerProperties(job), dr_cb: true }, {});
    this.#consumer.setDefaultConsumeTimeout(5);
    this.#consumer.on("offset.commit", (error: unknown) => this.#onCommit(error));
    this.#producer.on("delivery-report", (error: unknown, { opaque }: { opaque?: unknown }) =>
      this.#onReport(error, opaque as number),
    );
  }

  async run(): Promise<void> {
    await Promise.all([connected(this.#consumer), connected(this.#producer)]);
    this.#consumer.subscribe([this.#job.from]);
    while (this.#committed < this.#job.records) {
      if (this.#failure !== undefined) throw this.#failure;
      const messages = await consume(this.#consumer);
      if (messages.length > 0) await this.#produce(messages);
      while (this.#reads.length >= READS_IN_FLIGHT) await this.#next();
    }
    await Promise.all([disconnected(this.#consumer), disconnected(this.#producer)]);
  }

  #next(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#progress = () => (this.#failure === undefined ? resolve() : reject(this.#failure));
    });
  }

  async #produce(messages: readonly Message[]): Promise<void> {
    const positions = new Map<number, number>();
    const read: Read = { left: messages.length, records: messages.length, positions };
    const id = this.#firstRead + this.#reads.length;
    this.#reads.push(read);
    for (const { partition, offset, key, value } of messages) {
      for (;;) {
        try {
          this.#producer.produce(this.#job.to, partition, value, key, null, id);
          break;
        } catch (error) {
          if ((error as { code?: number }).code !== rdkafka.CODES.ERRORS.ERR__QUEUE_FULL) throw error;
          this.#pollSoon();
          await this.#next();
        }
      }
      this.#outstanding += 1;
      positions.set(partition, offset + 1);
    }
    this.#pollSoon();
  }

  #pollSoon(): void {
    this.#polling ??= setImmediate(() => this.#poll());
  }

  /** Again at once while reports arrive, after a pause while none does. */
  #poll(): void {
    this.#polling = undefined;
    this.#producer.poll();
    if (this.#outstanding === 0) return;
    if (this.#arrived) this.#pollSoon();
    else this.#polling ??= setTimeout(() => this.#poll(), 1);
    this.#arrived = false;
  }

  #onReport(error: unknown, id: number): void {
    if (error) this.#failure ??= error;
    this.#arrived = true;
    this.#outstanding -= 1;
    const read = this.#reads[id - this.#firstRead] as Read;
    read.left -= 1;
    if (read.left === 0) this.#collect();
    else if (this.#failure !== undefined) this.#progress();
  }

  #collect(): void {
    for (let read = this.#reads[0]; read?.left === 0 && this.#failure === undefined; read = this.#reads[0]) {
      this.#reads.shift();
      this.#firstRead += 1;
      for (const [partition, position] of read.positions) this.#toCommit.set(partition, position);
      this.#recordsToCommit += read.records;
    }
    this.#commit();
    this.#progress();
  }

  #commit(): void {
    if (this.#recordsInCommit > 0 || this.#recordsToCommit === 0) return;
    this.#recordsInCommit = this.#recordsToCommit;
    this.#recordsToCommit = 0;
    const topic = this.#job.from;
    this.#consumer.commit([...this.#toCommit].map(([partition, offset]) => ({ topic, partition, offset })));
    this.#toCommit = new Map();
  }

  #onCommit(error: unknown): void {
    if (error) this.#failure ??= error;
    this.#committed += this.#recordsInCommit;
    this.#recordsInCommit = 0;
    this.#job.onCommitted(this.#committed);
    if (this.#committed < this.#job.records) this.#commit();
    this.#progress();
  }
}

export const rawLoop: Copy = (job) => new RawLoop(job).run();
