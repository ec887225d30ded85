import {
  type ConsumerClient,
  type DeliveryReports,
  type KafkaConnectorError,
  type OutgoingRecord,
  type ProducerClient,
  type ProducerTransactions,
  rdkafkaDriver,
  type TopicPartition,
} from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { expect } from "chai";
import { brokerOrSkip } from "../support/broker.js";
import { committedPositions } from "./support/topics.js";

const CALL_MS = 20_000;

interface Sender {
  readonly client: ProducerClient;
  readonly transactions: ProducerTransactions;
  readonly failures: Error[];
}

describe("transactions of the driver on a real broker", function () {
  this.timeout(60_000);
  let kafka: LocalKafka;
  let toClose: { close(): Promise<void> }[];
  let topic: string;
  let tests = 0;

  before(async function () {
    kafka = await brokerOrSkip(this);
  });
  beforeEach(async () => {
    toClose = [];
    topic = `transactions-${process.pid}-${tests++}`;
    await kafka.createTopic(topic, { partitions: 1 });
  });
  afterEach(async () => {
    await Promise.all(toClose.map((each) => each.close().catch(() => undefined)));
  });

  const record = (value: string): OutgoingRecord => ({ topic, partition: 0, key: null, value: Buffer.from(value) });

  async function sender(id: string = topic): Promise<Sender> {
    const failures: Error[] = [];
    const client = rdkafkaDriver.producer(
      { "bootstrap.servers": kafka.brokers, "transactional.id": id, "linger.ms": 0 },
      {
        onReports: ({ errors }: DeliveryReports) => failures.push(...errors.filter((error) => error !== undefined)),
        onError: () => undefined,
      },
    );
    toClose.push(client);
    await client.connect();
    const { transactions } = client;
    if (!transactions) throw new Error("a producer with a transactional.id has transactions");
    return { client, transactions, failures };
  }

  async function reader(subscribe: boolean): Promise<{ client: ConsumerClient; assigned: TopicPartition[] }> {
    const assigned: TopicPartition[] = [];
    const client = rdkafkaDriver.consumer(
      { "bootstrap.servers": kafka.brokers, "group.id": topic, "auto.offset.reset": "earliest" },
      { onAssign: (given) => void assigned.push(...given), onRevoke: () => undefined, onError: () => undefined },
    );
    toClose.push(client);
    await client.connect();
    if (subscribe) client.subscribe({ kind: "topics", topics: [topic] });
    else client.subscribe({ kind: "assignment", partitions: [{ topic, partition: 0, offset: "beginning" }] });
    return { client, assigned };
  }

  /** Offsets and values in the order they are read, until as many are there. */
  async function read(client: ConsumerClient, count: number): Promise<readonly string[]> {
    const values: string[] = [];
    for (const deadline = Date.now() + CALL_MS; values.length < count && Date.now() < deadline; ) {
      const chunk = await client.poll({ maxRecords: 10, waitMs: 100 });
      for (let at = 0; chunk && at < chunk.length; at++) values.push(`${chunk.offset(at)} ${String(chunk.value(at))}`);
    }
    return values;
  }

  const failure = (promise: Promise<unknown>): Promise<KafkaConnectorError | undefined> =>
    promise.then(
      () => undefined,
      (error: unknown) => error as KafkaConnectorError,
    );

  it("fences the older producer with the same id, for good", async () => {
    const old = await sender();
    await old.transactions.init(CALL_MS);
    await old.transactions.begin();
    old.client.produceBatch([record("a")], 0, 0);
    await old.client.flush(CALL_MS);
    const young = await sender();
    await young.transactions.init(CALL_MS);
    expect(await failure(old.transactions.commit(CALL_MS))).to.include({ code: "PRODUCER_FENCED", fatal: true });
    await young.transactions.begin();
    young.client.produceBatch([record("b")], 0, 0);
    await young.transactions.commit(CALL_MS);
    // "a" and the marker of its abort take offsets 0 and 1.
    const { client } = await reader(false);
    expect(await read(client, 1)).to.deep.equal(["2 b"]);
  });

  it("forgets the positions when it is aborted, and takes none of a closed consumer", async () => {
    const { client: consumer } = await reader(true);
    const first = await sender();
    await first.transactions.init(CALL_MS);
    await first.transactions.begin();
    // It has not polled, so it has not joined; the group takes what such a consumer sends, as if it assigned itself.
    await first.transactions.sendOffsets([{ topic, partition: 0, offset: 5 }], consumer, CALL_MS);
    await first.transactions.abort(CALL_MS);
    expect(await committedPositions(kafka.brokers, topic, topic, 1)).to.deep.equal([0]);
    await consumer.close();
    expect(
      await failure(first.transactions.sendOffsets([{ topic, partition: 0, offset: 5 }], consumer, CALL_MS)),
    ).to.include({ code: "CONSUMER_CLOSED" });
  });

  it("shows neither records nor positions of an aborted transaction, and both of a committed one", async () => {
    const { client: consumer, assigned } = await reader(true);
    for (const deadline = Date.now() + CALL_MS; assigned.length === 0 && Date.now() < deadline; ) {
      await consumer.poll({ maxRecords: 1, waitMs: 100 });
    }
    const { client, transactions, failures } = await sender();
    await transactions.init(CALL_MS);
    for (const [value, end] of [
      ["a", "abort"],
      ["b", "commit"],
    ] as const) {
      await transactions.begin();
      client.produceBatch([record(value)], 0, 0);
      await client.flush(CALL_MS);
      await transactions.sendOffsets([{ topic, partition: 0, offset: 2 }], consumer, CALL_MS);
      await transactions[end](CALL_MS);
      const positions = await committedPositions(kafka.brokers, topic, topic, 1);
      expect(positions, end).to.deep.equal([end === "commit" ? 2 : 0]);
    }
    expect(failures).to.deep.equal([]);
    expect(await read(consumer, 1)).to.deep.equal(["2 b"]);
    expect(await consumer.watermarks({ topic, partition: 0 }, CALL_MS)).to.deep.equal({ low: 0, high: 4 });
  });

  it("says whether to abort, or to make the same call again", async () => {
    const { client, transactions } = await sender();
    expect(await failure(transactions.begin()), "before init").to.include({
      code: "TRANSACTION_FAILED",
      retriable: false,
    });
    await transactions.init(CALL_MS);
    await transactions.begin();
    client.produceBatch([{ ...record("a"), value: Buffer.alloc(999_000) }], 0, 0);
    const early = await failure(transactions.commit(0));
    expect(early).to.include({ code: "TRANSACTION_FAILED", retriable: true });
    await transactions.commit(CALL_MS);
    expect(() => client.produceBatch([record("b")], 0, 1), "outside a transaction").to.throw();
  });
});
