import type rdkafka from "node-rdkafka";
import type { KafkaConsumer, Message, Producer } from "node-rdkafka";
import { Commits, type Position } from "./commits.js";
import { type ClientJob, SENDS_IN_FLIGHT, type Work, type Works } from "./job.js";
import { keyOf, valueOf } from "./records.js";

/** node-rdkafka, or Confluent's fork with the same calls. */
export type Binding = typeof rdkafka;

export interface Tuning {
  readonly consumer: Readonly<Record<string, string | number | boolean>>;
  readonly producer: Readonly<Record<string, string | number | boolean>>;
  /** Takes what is queued, and waits for one record only when there is none; otherwise waits for each record a while. */
  readonly neverWaitsForMore: boolean;
}

const READ = 1000;
const EACH_WAIT_MS = 5;
const FIRST_WAIT_MS = 100;

const connected = (client: KafkaConsumer | Producer): Promise<unknown> =>
  new Promise((resolve, reject) =>
    client.connect({}, (error) => (error ? reject(new Error(error.message)) : resolve(null))),
  );

const disconnected = (client: KafkaConsumer | Producer): Promise<void> =>
  new Promise((resolve) => client.disconnect(() => resolve()));

/** Reads by `consume(n)`, the one call that has backpressure. */
class Reader {
  readonly consumer: KafkaConsumer;
  readonly commits: Commits;
  readonly #tuning: Tuning;
  #committed: (error: unknown) => void = () => undefined;
  #hot = false;

  constructor(binding: Binding, tuning: Tuning, job: ClientJob) {
    this.#tuning = tuning;
    this.consumer = new binding.KafkaConsumer(
      {
        "bootstrap.servers": job.brokers,
        "group.id": job.groupId,
        ...tuning.consumer,
        "enable.auto.commit": false,
        offset_commit_cb: true,
      },
      { "auto.offset.reset": "earliest" },
    );
    this.consumer.setDefaultConsumeTimeout(EACH_WAIT_MS);
    this.consumer.on("offset.commit", (error: unknown) => this.#committed(error));
    this.commits = new Commits(job, (positions) => this.#commit(positions));
  }

  async open(topic: string): Promise<void> {
    await connected(this.consumer);
    this.consumer.subscribe([topic]);
  }

  async read(): Promise<readonly Message[]> {
    if (!this.#tuning.neverWaitsForMore) return this.#consume(READ);
    if (this.#hot) {
      const queued = await this.#consume(READ, 0);
      if (queued.length > 0) return queued;
    }
    const first = await this.#consume(1, FIRST_WAIT_MS);
    this.#hot = first.length > 0;
    return this.#hot ? [...first, ...(await this.#consume(READ, 0))] : first;
  }

  #consume(count: number, waitMs?: number): Promise<Message[]> {
    if (waitMs !== undefined) this.consumer.setDefaultConsumeTimeout(waitMs);
    return new Promise((resolve, reject) =>
      this.consumer.consume(count, (error, messages) => (error ? reject(error) : resolve(messages))),
    );
  }

  #commit(positions: readonly Position[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#committed = (error) => (error ? reject(error) : resolve());
      this.consumer.commit([...positions]);
    });
  }
}

/** Sends with backpressure, and polls for reports while any is due. */
class Writer {
  readonly producer: Producer;
  readonly #queueFull: number;
  readonly #job: ClientJob;
  readonly #onReport: (id: number) => void;
  #outstanding = 0;
  #arrived = false;
  #polling: NodeJS.Timeout | NodeJS.Immediate | undefined;
  #resume: () => void = () => undefined;

  constructor(binding: Binding, tuning: Tuning, job: ClientJob, onReport: (id: number) => void) {
    this.#queueFull = binding.CODES.ERRORS.ERR__QUEUE_FULL;
    this.#job = job;
    this.#onReport = onReport;
    this.producer = new binding.Producer(
      { "bootstrap.servers": job.brokers, "enable.idempotence": true, ...tuning.producer, dr_cb: true },
      {},
    );
    this.producer.on("delivery-report", (error: unknown, { opaque }: { opaque?: unknown }) => {
      if (error) this.#job.onFailure(error);
      this.#arrived = true;
      this.#outstanding -= 1;
      this.#onReport(opaque as number);
      this.#resume();
    });
  }

  /** `id` comes back with the report. Answers a promise only when the queue is full. */
  write(partition: number, value: Buffer | null, key: Message["key"], id: number): Promise<void> | undefined {
    if (!this.#accepts(partition, value, key, id)) return this.#writeLater(partition, value, key, id);
    return undefined;
  }

  #accepts(partition: number, value: Buffer | null, key: Message["key"], id: number): boolean {
    try {
      this.producer.produce(this.#job.to, partition, value, key, null, id);
    } catch (error) {
      if ((error as { code?: number }).code !== this.#queueFull) throw error;
      return false;
    } finally {
      this.#polling ??= setImmediate(() => this.#poll());
    }
    this.#outstanding += 1;
    return true;
  }

  async #writeLater(partition: number, value: Buffer | null, key: Message["key"], id: number): Promise<void> {
    do await this.next();
    while (!this.#accepts(partition, value, key, id));
  }

  /** Resolves after the next report. */
  next(): Promise<void> {
    return new Promise((resolve) => (this.#resume = resolve));
  }

  /** Again at once while reports arrive, after a pause while none does. */
  #poll(): void {
    this.#polling = undefined;
    this.producer.poll();
    if (this.#outstanding === 0) return;
    if (this.#arrived) this.#polling = setImmediate(() => this.#poll());
    else this.#polling = setTimeout(() => this.#poll(), 1);
    this.#arrived = false;
  }
}

const reading =
  (binding: Binding, tuning: Tuning, commits: boolean): Work =>
  async (job) => {
    const reader = new Reader(binding, tuning, job);
    await reader.open(job.from);
    let finished = false;
    const end = job.finished.finally(() => (finished = true));
    end.catch(() => undefined);
    while (!finished) {
      for (const { value, partition, offset } of await reader.read()) {
        job.process(value);
        if (commits) reader.commits.done(partition, offset + 1, 1);
      }
      if (commits) reader.commits.flush();
    }
    await disconnected(reader.consumer);
    await end;
  };

const producing =
  (binding: Binding, tuning: Tuning): Work =>
  async (job) => {
    let reported = 0;
    const writer = new Writer(binding, tuning, job, () => job.onDone(++reported));
    await connected(writer.producer);
    for (let index = 0; index < job.records; index++) {
      const full = writer.write(index % job.partitions, valueOf(index, job.size), keyOf(index), index);
      if (full) await full;
    }
    await job.finished;
    await disconnected(writer.producer);
  };

/** One read on its way: done once its records, and all reads before it, are acknowledged. */
interface Read {
  left: number;
  readonly records: number;
  readonly positions: ReadonlyMap<number, number>;
}

const copying =
  (binding: Binding, tuning: Tuning): Work =>
  async (job) => {
    const reader = new Reader(binding, tuning, job);
    const reads: Read[] = [];
    let firstRead = 0;
    const collect = (): void => {
      for (let read = reads[0]; read?.left === 0; read = reads[0]) {
        reads.shift();
        firstRead += 1;
        let { records } = read;
        for (const [partition, position] of read.positions) {
          reader.commits.done(partition, position, records);
          records = 0;
        }
      }
      reader.commits.flush();
    };
    const writer = new Writer(binding, tuning, job, (id) => {
      const read = reads[id - firstRead] as Read;
      read.left -= 1;
      if (read.left === 0) collect();
    });
    await Promise.all([reader.open(job.from), connected(writer.producer)]);
    let finished = false;
    const end = job.finished.finally(() => (finished = true));
    end.catch(() => undefined);
    while (!finished) {
      const messages = await reader.read();
      if (messages.length === 0) continue;
      const positions = new Map<number, number>();
      const id = firstRead + reads.length;
      reads.push({ left: messages.length, records: messages.length, positions });
      for (const { partition, offset, key, value } of messages) {
        job.process(value);
        positions.set(partition, offset + 1);
        const full = writer.write(partition, value, key, id);
        if (full) await full;
      }
      while (reads.length >= SENDS_IN_FLIGHT) await writer.next();
    }
    await Promise.all([disconnected(reader.consumer), disconnected(writer.producer)]);
    await end;
  };

/** All workloads as written by hand over a binding to librdkafka. */
export const rdkafkaLoops = (binding: Binding, tuning: Tuning): Works => ({
  consume: reading(binding, tuning, false),
  commit: reading(binding, tuning, true),
  produce: producing(binding, tuning),
  copy: copying(binding, tuning),
});

/** librdkafka as it comes. */
export const asItComes: Tuning = { consumer: {}, producer: {}, neverWaitsForMore: false };

/** What made it faster, or quicker to answer, in our measurements. */
export const tuned: Tuning = {
  // At the default of a second a full queue costs more than half of the rate.
  consumer: { "fetch.queue.backoff.ms": 5 },
  producer: { "linger.ms": 5, "queue.buffering.max.messages": 10_000 },
  neverWaitsForMore: true,
};
