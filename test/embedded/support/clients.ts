import {
  CLIENT_TIMEOUTS,
  type ClientProperties,
  type ConsumerClient,
  type ConsumerListener,
  type Headers,
  KafkaConnectorError,
  type OutgoingRecord,
  type ProducerListener,
  RdkafkaConsumer,
  RdkafkaProducer,
  type Subscription,
  tested,
} from "./driver.js";

/** One record as a test looks at it. */
export interface Read {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: Headers;
}

/** These partitions of a topic, the first where none is named, from their beginnings. */
export const beginning = (topic: string, ...partitions: number[]): Subscription => ({
  kind: "assignment",
  partitions: (partitions.length === 0 ? [0] : partitions).map((partition) => ({
    topic,
    partition,
    offset: "beginning",
  })),
});

/** Makes clients of one cluster and closes all of them. */
export class Clients {
  readonly #brokers: string;
  readonly #closes: (() => Promise<void>)[] = [];

  constructor(brokers: string) {
    this.#brokers = brokers;
  }

  async consumer(
    properties: ClientProperties,
    subscription: Subscription,
    listener: Partial<ConsumerListener> = {},
    timeouts: Partial<typeof CLIENT_TIMEOUTS> = {},
  ): Promise<RdkafkaConsumer> {
    const consumer = new RdkafkaConsumer(
      {
        "bootstrap.servers": this.#brokers,
        "group.id": `group-${Math.random()}`,
        // The mock cluster holds every join but a group's first for the session timeout less a second.
        "session.timeout.ms": 2500,
        "heartbeat.interval.ms": 200,
        ...properties,
      },
      { onAssign: () => undefined, onRevoke: () => undefined, onError: () => undefined, ...listener },
      { ...CLIENT_TIMEOUTS, ...timeouts },
      tested.createConsumer,
    );
    this.#closes.push(() => consumer.close().catch(() => undefined));
    await consumer.connect();
    consumer.subscribe(subscription);
    return consumer;
  }

  async producer(properties: ClientProperties = {}): Promise<TestProducer> {
    const test = new TestProducer({ "bootstrap.servers": this.#brokers, ...properties });
    this.#closes.push(() => test.producer.close({ drop: true }).catch(() => undefined));
    await test.producer.connect();
    return test;
  }

  /** Produces values to partition 0 of a topic and waits for their reports. */
  async produce(topic: string, ...records: readonly (string | Partial<OutgoingRecord>)[]): Promise<void> {
    const { producer, errors } = await this.producer();
    const batch = records.map((record) => ({
      topic,
      partition: 0,
      key: null,
      value: null,
      ...(typeof record === "string" ? { value: Buffer.from(record) } : record),
    }));
    for (let from = 0; from < batch.length; ) {
      from += producer.produceBatch(batch, from, 0);
      await producer.flush(10_000);
    }
    await producer.close();
    const [error] = errors;
    if (error !== undefined) throw error;
  }

  async close(): Promise<void> {
    await Promise.all(this.#closes.splice(0).map((close) => close()));
  }
}

/** A producer that keeps what its reports say. */
export class TestProducer {
  readonly ids: number[] = [];
  readonly errors: Error[] = [];
  readonly handOvers: number[] = [];
  readonly producer: RdkafkaProducer;

  constructor(properties: ClientProperties) {
    const listener: ProducerListener = {
      onReports: ({ length, ids, errors }) => {
        this.handOvers.push(length);
        this.ids.push(...ids);
        for (const error of errors) if (error !== undefined) this.errors.push(error);
      },
      onError: () => undefined,
    };
    this.producer = new RdkafkaProducer(properties, listener, CLIENT_TIMEOUTS, tested.createProducer);
  }
}

/** Polls until the condition holds; returns what was read meanwhile, and throws when time is up. */
export async function pollUntil(
  consumer: ConsumerClient,
  done: (read: readonly Read[]) => boolean,
  boundMs = 15_000,
): Promise<readonly Read[]> {
  const read: Read[] = [];
  const deadline = performance.now() + boundMs;
  while (!done(read)) {
    if (performance.now() > deadline)
      throw new Error(`The condition did not hold within ${boundMs} ms; read ${read.length} records.`);
    const chunk = await consumer.poll({ maxRecords: 1000, waitMs: 50 });
    if (chunk === undefined) continue;
    for (let index = 0; index < chunk.length; index++) {
      read.push({
        topic: chunk.topic(index),
        partition: chunk.partition(index),
        offset: chunk.offset(index),
        key: chunk.key(index)?.toString() ?? null,
        value: chunk.value(index)?.toString() ?? null,
        headers: chunk.headers(index),
      });
    }
    chunk.release();
  }
  return read;
}

/** Polls until the promise settles, which is how commits and rebalances are served. */
export async function pollWhile<T>(consumer: ConsumerClient, promise: Promise<T>): Promise<T> {
  let settled = false;
  const end = (): void => {
    settled = true;
  };
  promise.then(end, end);
  await pollUntil(consumer, () => settled);
  return promise;
}

/** The error a promise rejects with; anything but a `KafkaConnectorError` is thrown on. */
export async function rejectionOf(promise: Promise<unknown>): Promise<KafkaConnectorError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof KafkaConnectorError) return error;
    throw error;
  }
  throw new Error("It did not reject.");
}
