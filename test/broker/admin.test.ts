import { AdminClient, MetadataClient, plainSource } from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { Sink } from "@millrace/streams";
import { expect } from "chai";
import { eventually } from "../support/owner.js";
import { brokerOrSkip } from "../support/broker.js";
import { fill } from "./support/topics.js";

const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => {
      throw new Error("expected a rejection");
    },
    (error: unknown) => error,
  );

describe("administration of a real broker", function () {
  this.timeout(60_000);
  let kafka: LocalKafka;
  let admin: AdminClient;
  let metadata: MetadataClient;
  let topic: string;
  let count = 0;

  before(async function () {
    kafka = await brokerOrSkip(this);
    admin = AdminClient.create({ kafka: { brokers: kafka.brokers } });
    metadata = await MetadataClient.open({ kafka: { brokers: kafka.brokers } });
  });
  after(async () => {
    await admin?.close();
    await metadata?.close();
  });
  beforeEach(() => {
    topic = `admin-${process.pid}-${count++}`;
  });

  const partitions = async (): Promise<number> => {
    const topics = await metadata.listTopics();
    return topics.find((each) => each.topic === topic)?.partitions.length ?? 0;
  };
  const has = (expected: number): Promise<void> =>
    eventually(`${expected} partitions`, async () => (await partitions()) === expected);

  it("is refused where no broker is, in time", async () => {
    const lonely = AdminClient.create({ kafka: { brokers: "127.0.0.1:1" }, timeoutMs: 300 });
    const start = performance.now();
    expect(await rejection(lonely.createTopic(topic))).to.include({ code: "ADMIN_FAILED", retriable: true });
    await lonely.close();
    expect(performance.now() - start).to.be.lessThan(5000);
  });

  it("cannot change what is not there, nor make what is there or cannot be", async () => {
    expect(await rejection(admin.deleteTopic(topic))).to.include({ code: "TOPIC_NOT_FOUND" });
    expect(await rejection(admin.growTopic(topic, 3))).to.include({ code: "TOPIC_NOT_FOUND" });
    expect(await rejection(admin.createTopic("no such/name"))).to.include({ code: "ADMIN_FAILED", clientCode: 17 });
    expect(await rejection(admin.createTopic(topic, { replicationFactor: 9 }))).to.include({ clientCode: 38 });
    expect(await rejection(admin.createTopic(topic, { config: { "no.such": "1" } }))).to.include({ clientCode: 40 });
    await admin.createTopic(topic, { partitions: 2 });
    expect(await rejection(admin.createTopic(topic))).to.include({ code: "TOPIC_EXISTS" });
    await has(2);
    expect(await rejection(admin.growTopic(topic, 1))).to.include({ code: "ADMIN_FAILED", clientCode: 37 });
  });

  it("makes topics, grows and deletes them", async () => {
    await admin.createTopic(topic, { partitions: 1, replicationFactor: 1, config: { "cleanup.policy": "compact" } });
    await has(1);
    await admin.growTopic(topic, 3);
    await has(3);
    await admin.deleteTopic(topic);
    await has(0);
  });

  it("sets the positions of a group while it has no members, and reads from there", async () => {
    await kafka.createTopic(topic, { partitions: 2 });
    const record = (partition: number, value: string) => ({ topic, partition, key: null, value: Buffer.from(value) });
    await fill(kafka.brokers, [record(0, "a"), record(0, "b"), record(1, "c")]);
    const places = [0, 1].map((partition) => ({ topic, partition }));
    expect(await admin.committedOffsets(topic, places)).to.deep.equal([]);
    await admin.commitOffsets(topic, [{ topic, partition: 0, offset: 1 }]);
    expect(await admin.committedOffsets(topic, places)).to.deep.equal([{ topic, partition: 0, offset: 1 }]);
    expect(await rejection(admin.commitOffsets(topic, [{ topic, partition: 2, offset: 1 }]))).to.include({
      code: "PARTITION_NOT_FOUND",
    });

    const read: string[] = [];
    const control = plainSource({
      kafka: { brokers: kafka.brokers, groupId: topic },
      topics: [topic],
      properties: { "auto.offset.reset": "latest" },
    })
      .to(Sink.forEach(({ value }) => void read.push(String(value))))
      .run();
    try {
      await eventually("the record", () => read.length === 1);
      expect(await rejection(admin.commitOffsets(topic, [{ topic, partition: 0, offset: 0 }]))).to.include({
        code: "GROUP_NOT_EMPTY",
        clientCode: 25,
      });
    } finally {
      await control.shutdown();
    }
    expect(read).to.deep.equal(["b"]);
    await admin.commitOffsets(topic, [{ topic, partition: 0, offset: 0 }]);
    expect(await admin.committedOffsets(topic, places)).to.deep.equal([{ topic, partition: 0, offset: 0 }]);
  });

  it("is refused once the client is closed, which waits for what is under way and may be done twice", async () => {
    const own = AdminClient.create({ kafka: { brokers: kafka.brokers } });
    const created = own.createTopic(topic, { partitions: 1 });
    await Promise.all([own.close(), own.close()]);
    await created;
    expect(await rejection(own.deleteTopic(topic))).to.include({ code: "CLIENT_CLOSED" });
    expect(await rejection(own.committedOffsets(topic, []))).to.include({ code: "CLIENT_CLOSED" });
  });
});
