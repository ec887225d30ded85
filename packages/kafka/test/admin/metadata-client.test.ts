import { type ClusterMetadata, KafkaConnectorError, MetadataClient } from "@millrace/kafka";
import { expect } from "chai";
import { FakeKafka } from "../support/fake-kafka.js";
import { rejectionOf, until } from "../support/until.js";
import { Latch } from "../../../../test/support/latch.js";

const topicOf = (topic: string, count: number): ClusterMetadata["topics"][number] => ({
  topic,
  partitions: Array.from({ length: count }, (_, partition) => ({
    ...{ topic, partition, leader: 1, replicas: [1], inSyncReplicas: [1] },
  })),
});

const timedOut = new KafkaConnectorError("CLIENT_FAILED", "late", { clientCode: -185, retriable: true });

describe("MetadataClient", () => {
  let kafka: FakeKafka;
  const asked: (string | undefined)[] = [];
  beforeEach(() => {
    asked.length = 0;
    kafka = new FakeKafka();
    kafka.onConsumer = (client) => {
      client.onMetadata = (topic) => {
        asked.push(topic);
        const topics = [topicOf("t", 8), topicOf("u", 1)];
        return { brokers: [], topics: topics.filter((each) => (topic ?? each.topic) === each.topic) };
      };
      client.onWatermarks = ({ partition }) => ({ low: partition, high: partition + 10 });
    };
  });
  afterEach(() => kafka.verify());
  const open = (more: object = {}): Promise<MetadataClient> => MetadataClient.open({ kafka: kafka.settings, ...more });

  it("refuses wrong settings, and does not open without a broker", async () => {
    for (const wrong of [{ timeoutMs: 0 }, { groupId: "" }, { group: "g" }, { kafka: {} }])
      expect(await rejectionOf(open(wrong))).to.include({ code: "INVALID_SETTINGS" });
    const failure = new KafkaConnectorError("CONNECT_FAILED", "no broker");
    kafka.onConsumer = (client) => {
      client.connecting = Promise.reject(failure);
    };
    expect(await rejectionOf(open())).to.equal(failure);
  });

  it("asks for nothing of a topic or partition that is not there", async () => {
    await using metadata = await open();
    kafka.client.onWatermarks = () => expect.fail("was asked");
    kafka.client.onTimes = () => expect.fail("was asked");
    const missing = { topic: "v", partition: 0, timestamp: 0 };
    const beyond = { topic: "t", partition: 8, timestamp: 0 };
    for (const call of ["beginningOffsets", "endOffsets", "offsetsForTimes", "committedOffsets"] as const) {
      expect(await rejectionOf(metadata[call]([missing]))).to.include({ code: "TOPIC_NOT_FOUND", retriable: true });
      expect(await rejectionOf(metadata[call]([beyond]))).to.include({ code: "PARTITION_NOT_FOUND" });
    }
    expect(await rejectionOf(metadata.partitionsFor("v"))).to.include({ code: "TOPIC_NOT_FOUND" });
  });

  for (const name of ["", "..", "a/b", "x".repeat(250)]) {
    it(`does not even ask for the topic ${JSON.stringify(name.slice(0, 5))}, which cannot be`, async () => {
      await using metadata = await open();
      const expected = { code: "TOPIC_NOT_FOUND", retriable: false };
      expect(await rejectionOf(metadata.endOffsets([{ topic: name, partition: 0 }]))).to.include(expected);
      expect(await rejectionOf(metadata.partitionsFor(name))).to.include(expected);
      expect(asked).to.deep.equal([]);
    });
  }

  it("passes the client's failure on, and asks no more partitions then", async () => {
    await using metadata = await open();
    let lookups = 0;
    kafka.client.onWatermarks = () => {
      lookups += 1;
      throw timedOut;
    };
    const partitions = Array.from({ length: 8 }, (_, partition) => ({ topic: "t", partition }));
    expect(await rejectionOf(metadata.endOffsets(partitions))).to.equal(timedOut);
    expect(lookups).to.be.at.most(2);
  });

  it("gives up once the time of the whole call is over", async () => {
    await using metadata = await open({ timeoutMs: 30 });
    const { client } = kafka;
    client.watermarks = () => new Promise((resolve) => setTimeout(resolve, 20, { low: 0, high: 0 }));
    const partitions = Array.from({ length: 8 }, (_, partition) => ({ topic: "t", partition }));
    const error = await rejectionOf(metadata.endOffsets(partitions));
    expect(error).to.include({ code: "CLIENT_FAILED", clientCode: -185, retriable: true });
  });

  it("leaves threads to the consumers of the process: two lookups at a time", async () => {
    await using metadata = await open();
    const { client } = kafka;
    const latch = new Latch();
    let running = 0;
    let most = 0;
    client.watermarks = async ({ partition }) => {
      most = Math.max(most, ++running);
      await latch.opened;
      running -= 1;
      return { low: partition, high: partition + 10 };
    };
    const partitions = [3, 1, 7, 0].map((partition) => ({ topic: "t", partition }));
    const ends = metadata.endOffsets(partitions);
    await until(() => running === 2, "two lookups");
    latch.open();
    expect(
      (await ends).map(({ offset }) => offset),
      "in the order asked for",
    ).to.deep.equal([13, 11, 17, 10]);
    expect(most).to.equal(2);
  });

  it("asks for committed offsets of its group only, which it needs", async () => {
    const { groupId: _, ...ungrouped } = kafka.settings;
    await using without = await open({ kafka: ungrouped });
    expect(await rejectionOf(without.committedOffsets([]))).to.include({ code: "GROUP_ID_MISSING" });
    await using own = await open({ groupId: "own" });
    expect(kafka.client.properties).to.include({ "group.id": "own", "statistics.interval.ms": 0 });
    kafka.client.stored = [{ topic: "t", partition: 1, offset: 5 }];
    expect(await own.committedOffsets([{ topic: "t", partition: 1 }])).to.deep.equal(kafka.client.stored);
    await using named = await open({ kafka: { ...ungrouped, properties: { "group.id": "named" } } });
    expect(await named.committedOffsets([])).to.deep.equal([]);
    expect(kafka.client.properties).to.include({ "group.id": "named" });
  });

  it("answers, and neither subscribes nor commits", async () => {
    const metadata = await open();
    expect(await metadata.beginningOffsets([{ topic: "t", partition: 2 }])).to.deep.equal([
      { topic: "t", partition: 2, offset: 2 },
    ]);
    kafka.client.onTimes = (times) => times.map(({ topic, partition }) => ({ topic, partition, offset: 4 }));
    expect(await metadata.offsetsForTimes([{ topic: "u", partition: 0, timestamp: 9 }])).to.deep.equal([
      { topic: "u", partition: 0, offset: 4 },
    ]);
    expect((await metadata.listTopics()).map(({ topic }) => topic)).to.deep.equal(["t", "u"]);
    expect(await metadata.partitionsFor("u")).to.deep.equal(topicOf("u", 1).partitions);
    await metadata.close();
    expect(new Set(kafka.client.calls.map(({ call }) => call))).to.deep.equal(new Set(["connect", "poll", "close"]));
  });

  it("polls whenever it is asked, so that what the client reports does not pile up", async () => {
    await using metadata = await open();
    while (kafka.client.of("poll").length < 3) {
      await metadata.listTopics();
      await new Promise(setImmediate);
    }
  });

  it("answers nothing after it is closed, which may be done twice", async () => {
    const metadata = await open();
    await Promise.all([metadata.close(), metadata.close()]);
    expect(await rejectionOf(metadata.listTopics())).to.include({ code: "CLIENT_CLOSED" });
    expect(await rejectionOf(metadata.endOffsets([]))).to.include({ code: "CLIENT_CLOSED" });
  });
});
