/**
 * A member of a group and a producer over Confluent's package, in a process that loads no other binding to librdkafka.
 * Its job comes as JSON in the first argument; it tells its parent what happens, and ends when the parent lets go.
 */
import {
  AdminClient,
  type ClientStatistics,
  type ConsumerClient,
  confluentDriver,
  type KafkaConnectorError,
  MetadataClient,
  type RecordChunk,
  SendProducer,
  type Subscription,
} from "@millrace/kafka";

export interface ConfluentJob {
  readonly brokers: string;
  readonly topic: string;
  /**
   * `join` polls as a member of a group; `keep` sends a record, reads it and commits its position with metadata;
   * `administer` makes its topic, grows it, sets a position and asks for everything.
   */
  readonly role: "join" | "keep" | "administer";
}

export type ConfluentNews =
  | { readonly told: "assigned" | "revoked" | "lost" }
  | {
      readonly headers: readonly (readonly [string, string])[];
      readonly metadata: string | undefined;
      /** What a commit with metadata of 4096 bytes is refused with; of 4095 it is taken. */
      readonly refused: number | undefined;
    }
  | {
      readonly codes: readonly string[];
      readonly partitions: number;
      readonly ends: readonly number[];
      readonly committed: readonly number[];
      /** Which kind of client has told statistics. */
      readonly statistics: string;
    };

const { brokers, topic, role } = JSON.parse(process.argv[2] ?? "") as ConfluentJob;
const tell = (news: ConfluentNews): void => void process.send?.(news);

async function consume(subscription: Subscription): Promise<ConsumerClient> {
  const client = confluentDriver.consumer(
    {
      "bootstrap.servers": brokers,
      "group.id": topic,
      "session.timeout.ms": 1000,
      "heartbeat.interval.ms": 100,
      log_level: 0,
    },
    {
      onAssign: () => tell({ told: "assigned" }),
      onRevoke: () => tell({ told: "revoked" }),
      onLost: () => tell({ told: "lost" }),
      onError: () => undefined,
    },
  );
  await client.connect();
  client.subscribe(subscription);
  return client;
}

async function produce(): Promise<void> {
  const producer = confluentDriver.producer(
    { "bootstrap.servers": brokers },
    { onReports: () => undefined, onError: () => undefined },
  );
  await producer.connect();
  const headers = [
    ["bytes", Buffer.from([0, 0xff, 0x80, 0])],
    ["empty", Buffer.alloc(0)],
    ["none", null],
    ["text", Buffer.from("één")],
  ] as const;
  producer.produceBatch([{ topic, partition: 0, key: null, value: null, headers }], 0, 0);
  await producer.flush(20_000);
  await producer.close();
}

async function keep(): Promise<void> {
  await produce();
  const client = await consume({ kind: "assignment", partitions: [{ topic, partition: 0, offset: "beginning" }] });
  let chunk: RecordChunk | undefined;
  while (chunk === undefined) chunk = await client.poll({ maxRecords: 1, waitMs: 100 });
  const headers = chunk.headers(0).map(([name, value]) => [name, value?.toString("hex") ?? "null"] as const);
  const commit = async (metadata: string): Promise<number | undefined> => {
    let ended = false;
    const committing = client
      .commit([{ topic, partition: 0, offset: 1, metadata }])
      .then(
        () => undefined,
        (error: unknown) => (error as KafkaConnectorError).clientCode ?? -1,
      )
      .finally(() => (ended = true));
    while (!ended) await client.poll({ maxRecords: 1, waitMs: 20 });
    return committing;
  };
  const longest = await commit("x".repeat(4095));
  const refused = longest === undefined ? await commit("x".repeat(4096)) : longest;
  await commit("mr1:AQEAtIE-pM8");
  const [committed] = await client.committed([{ topic, partition: 0 }], 20_000);
  tell({ headers, metadata: committed?.metadata, refused });
  await client.close();
}

async function join(): Promise<void> {
  const client = await consume({ kind: "topics", topics: [topic] });
  for (;;) await client.poll({ maxRecords: 10, waitMs: 50 }).catch(() => undefined);
}

async function administer(): Promise<ConfluentNews> {
  const told: ClientStatistics[] = [];
  const statistics = { intervalMs: 50, onStatistics: (each: ClientStatistics) => void told.push(each) };
  const kafka = { brokers, groupId: topic, driver: confluentDriver, statistics };
  const failed = (error: unknown): string => (error as KafkaConnectorError).code;
  await using metadata = await MetadataClient.open({ kafka });
  await using admin = AdminClient.create({ kafka });
  await admin.createTopic(topic, { partitions: 1 });
  const codes = [
    await admin.createTopic(topic).then(String, failed),
    await admin.deleteTopic(`${topic}-missing`).then(String, failed),
  ];
  const partitions = (): Promise<number> =>
    metadata.partitionsFor(topic).then(
      ({ length }) => length,
      () => 0,
    );
  while ((await partitions()) < 1);
  await admin.growTopic(topic, 2);
  while ((await partitions()) < 2);
  const sender = SendProducer.create({ kafka });
  await sender.send({ topic, partition: 1, value: null });
  while (told.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  await sender.close();
  const all = [0, 1].map((partition) => ({ topic, partition }));
  await admin.commitOffsets(topic, [{ topic, partition: 1, offset: 1 }]);
  return {
    codes,
    partitions: await partitions(),
    ends: (await metadata.endOffsets(all)).map(({ offset }) => offset),
    committed: (await metadata.committedOffsets(all)).map(({ offset }) => offset),
    statistics: told[0]?.type ?? "none",
  };
}

// The parent has died, or needs no more.
process.on("disconnect", () => process.exit());
const roles: Readonly<Record<ConfluentJob["role"], () => Promise<void>>> = {
  join,
  keep,
  administer: async () => tell(await administer()),
};
await roles[role]();
