import { AdminClient, KafkaConnectorError, type TopicAdmin } from "@millrace/kafka";
import { expect } from "chai";
import { FakeKafka } from "../support/fake-kafka.js";
import { errorOf, rejectionOf, until } from "../support/until.js";
import { Latch } from "../../../../test/support/latch.js";
import { numbered } from "../../src/client/codes.js";

const refused = (clientCode: number): KafkaConnectorError =>
  new KafkaConnectorError("COMMIT_FAILED", "refused", numbered(clientCode));

describe("AdminClient", () => {
  let kafka: FakeKafka;
  let calls: unknown[][];
  let answer: () => Promise<void>;
  beforeEach(() => {
    calls = [];
    answer = () => Promise.resolve();
    kafka = new FakeKafka();
    const record = (...call: readonly unknown[]): Promise<void> => {
      calls.push([...call]);
      return answer();
    };
    const topics: TopicAdmin = {
      createTopic: (topic, ms) => record("create", topic, ms),
      deleteTopic: (topic, ms) => record("delete", topic, ms),
      growTopic: (topic, partitions, ms) => record("grow", topic, partitions, ms),
      close: () => {
        calls.push(["close"]);
        return Promise.resolve();
      },
    };
    kafka.topicAdmin = () => topics;
    kafka.onConsumer = (client) => {
      const copies = { leader: 1, replicas: [1], inSyncReplicas: [1] };
      const partitions = [{ topic: "t", partition: 0, ...copies }];
      client.onMetadata = (topic) => ({ brokers: [], topics: topic === "t" ? [{ topic: "t", partitions }] : [] });
    };
  });
  afterEach(() => kafka.verify());
  const open = (more: object = {}): AdminClient => AdminClient.create({ kafka: kafka.settings, ...more });

  it("refuses wrong settings, and a driver that cannot change topics", () => {
    for (const wrong of [{ timeoutMs: 0 }, { groupId: "g" }, { kafka: {} }])
      expect(errorOf(() => open(wrong))).to.include({ code: "INVALID_SETTINGS" });
    const { topicAdmin: _, ...without } = { ...kafka.settings.driver, name: "old", commitsMetadata: false };
    const driver = { ...without, consumer: () => expect.fail(), producer: () => expect.fail() };
    expect((errorOf(() => open({ kafka: { ...kafka.settings, driver } })) as Error).message).to.contain("driver old");
  });

  it("passes a refusal on", async () => {
    await using admin = open();
    const error = new KafkaConnectorError("TOPIC_EXISTS", "is there");
    answer = () => Promise.reject(error);
    expect(await rejectionOf(admin.createTopic("t"))).to.equal(error);
  });

  for (const code of [22, 25, 27, 113]) {
    it(`sets no positions of a group that has members, which code ${code} shows`, async () => {
      await using admin = open();
      const { onConsumer } = kafka;
      kafka.onConsumer = (client) => {
        onConsumer(client);
        client.onCommit = (commit) => commit.fail(refused(code));
      };
      const error = await rejectionOf(admin.commitOffsets("own", [{ topic: "t", partition: 0, offset: 3 }]));
      expect(error).to.include({ code: "GROUP_NOT_EMPTY", clientCode: code });
      expect(kafka.client.closed).to.equal(true);
    });
  }

  it("passes another refusal of positions on, and gives up where no answer comes", async () => {
    await using admin = open({ timeoutMs: 100 });
    const { onConsumer } = kafka;
    const error = refused(30);
    kafka.onConsumer = (client) => {
      onConsumer(client);
      client.onCommit = (commit) => commit.fail(error);
    };
    const positions = [{ topic: "t", partition: 0, offset: 3 }];
    expect(await rejectionOf(admin.commitOffsets("own", positions))).to.equal(error);
    kafka.onConsumer = (client) => {
      onConsumer(client);
      client.onCommit = () => undefined;
    };
    expect(await rejectionOf(admin.commitOffsets("own", positions))).to.include({ clientCode: -185, retriable: true });
    expect(kafka.client.closed).to.equal(true);
  });

  it("sets positions of what is there only", async () => {
    await using admin = open();
    const commit = (topic: string, partition: number) => admin.commitOffsets("own", [{ topic, partition, offset: 1 }]);
    expect(await rejectionOf(commit("u", 0))).to.include({ code: "TOPIC_NOT_FOUND" });
    expect(await rejectionOf(commit("t", 1))).to.include({ code: "PARTITION_NOT_FOUND" });
    expect(await rejectionOf(admin.committedOffsets("own", [{ topic: "t", partition: 1 }]))).to.include({
      code: "PARTITION_NOT_FOUND",
    });
    expect(kafka.consumers.flatMap((client) => client.of("commit"))).to.deep.equal([]);
  });

  it("sets and answers positions by a client of that group, which joins nothing and is closed", async () => {
    await using admin = open();
    await admin.commitOffsets("own", [{ topic: "t", partition: 0, offset: 3 }]);
    const { client } = kafka;
    expect(client.properties).to.include({ "group.id": "own" });
    expect(client.of("commit")).to.deep.equal([
      { call: "commit", positions: [{ topic: "t", partition: 0, offset: 3 }] },
    ]);
    expect(client.of("subscribe")).to.deep.equal([]);
    expect(client.closed).to.equal(true);
    kafka.onConsumer = ((prepare) => (made) => {
      prepare(made);
      made.stored = [{ topic: "t", partition: 0, offset: 3 }];
    })(kafka.onConsumer);
    expect(await admin.committedOffsets("own", [{ topic: "t", partition: 0 }])).to.deep.equal(kafka.client.stored);
    await admin.commitOffsets("own", []);
    expect(kafka.client.of("commit")).to.deep.equal([]);
  });

  it("makes, grows and deletes topics, leaving to the brokers what is not said", async () => {
    await using admin = open({ timeoutMs: 700 });
    await admin.createTopic("a");
    await admin.createTopic("b", { partitions: 3, replicationFactor: 2, config: { "cleanup.policy": "compact" } });
    await admin.growTopic("b", 5);
    await admin.deleteTopic("a");
    expect(calls).to.deep.equal([
      ["create", { topic: "a", partitions: -1, replicationFactor: -1, config: {} }, 700],
      ["create", { topic: "b", partitions: 3, replicationFactor: 2, config: { "cleanup.policy": "compact" } }, 700],
      ["grow", "b", 5, 700],
      ["delete", "a", 700],
    ]);
  });

  it("waits for what is under way when it is closed, and does nothing more", async () => {
    const admin = open();
    const latch = new Latch();
    answer = () => latch.opened;
    const created = admin.createTopic("t");
    await until(() => calls.length === 1, "the call");
    const closed = Promise.all([admin.close(), admin.close()]);
    expect(await rejectionOf(admin.deleteTopic("t"))).to.include({ code: "CLIENT_CLOSED" });
    expect(calls.map(([call]) => call)).to.deep.equal(["create"]);
    latch.open();
    await Promise.all([created, closed]);
    expect(calls.map(([call]) => call)).to.deep.equal(["create", "close"]);
  });
});
