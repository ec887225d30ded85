/** The plainest possible clients, so that a cluster is tested without any Millrace in between. */
import rdkafka from "node-rdkafka";

/** Of no use after `close`; `await using` closes it also when a test fails, or the open client would keep mocha alive. */
export interface RawProducer extends AsyncDisposable {
  /** Done when the broker has acknowledged it; the offset it got. */
  send(topic: string, partition: number, value: string): Promise<number>;
  close(): Promise<void>;
}

export async function rawProducer(brokers: string): Promise<RawProducer> {
  const client = new rdkafka.Producer(
    { "bootstrap.servers": brokers, log_level: 0, dr_cb: true, "linger.ms": 0 },
    { "request.required.acks": -1, "message.timeout.ms": 40_000 },
  );
  client.on("event.error", () => undefined);
  const pending = new Map<number, { resolve(offset: number): void; reject(error: unknown): void }>();
  client.on("delivery-report", (error, report) => {
    const waiter = pending.get(report.opaque as number);
    pending.delete(report.opaque as number);
    if (error === null || error === undefined) waiter?.resolve(report.offset);
    else waiter?.reject(error);
  });
  await connected(client);
  client.setPollInterval(5);
  let count = 0;
  return {
    send: (topic, partition, value) =>
      new Promise((resolve, reject) => {
        pending.set(++count, { resolve, reject });
        client.produce(topic, partition, Buffer.from(value), null, null, count);
      }),
    close: () => disconnected(client),
    [Symbol.asyncDispose]: () => disconnected(client),
  };
}

/** The first `count` values of a partition; fails after `timeoutMs`. */
export async function readValues(
  brokers: string,
  topic: string,
  partition: number,
  count: number,
  timeoutMs = 20_000,
): Promise<readonly string[]> {
  const client = new rdkafka.KafkaConsumer(
    { "bootstrap.servers": brokers, log_level: 0, "group.id": "raw", "enable.auto.commit": false },
    { "auto.offset.reset": "earliest" },
  );
  client.on("event.error", () => undefined);
  await connected(client);
  try {
    client.setDefaultConsumeTimeout(100);
    client.assign([{ topic, partition, offset: 0 }]);
    const values: string[] = [];
    const deadline = Date.now() + timeoutMs;
    while (values.length < count) {
      if (Date.now() > deadline) throw new Error(`read ${values.length} of ${count} values in ${timeoutMs} ms`);
      for (const { value } of await consumed(client, count - values.length)) values.push(String(value));
    }
    return values;
  } finally {
    await disconnected(client);
  }
}

export async function leaderOf(brokers: string, topic: string, partition: number): Promise<number | undefined> {
  const client = new rdkafka.Producer({ "bootstrap.servers": brokers, log_level: 0 });
  const metadata = await connected(client);
  await disconnected(client);
  return metadata.topics.find(({ name }) => name === topic)?.partitions.find(({ id }) => id === partition)?.leader;
}

function consumed(client: rdkafka.KafkaConsumer, count: number): Promise<rdkafka.Message[]> {
  return new Promise((resolve, reject) =>
    client.consume(count, (error, messages) =>
      error === null || error === undefined ? resolve(messages) : reject(new Error(error.message)),
    ),
  );
}

function connected(client: rdkafka.Producer | rdkafka.KafkaConsumer): Promise<rdkafka.Metadata> {
  return new Promise((resolve, reject) => {
    client.connect({ timeout: 10_000 }, (error, metadata) =>
      error === null || error === undefined ? resolve(metadata) : reject(new Error(error.message)),
    );
  });
}

function disconnected(client: rdkafka.Producer | rdkafka.KafkaConsumer): Promise<void> {
  if (!client.isConnected()) return Promise.resolve();
  return new Promise((resolve) => client.disconnect(() => resolve()));
}
