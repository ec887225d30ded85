import {
  type ClientStatistics,
  committableSource,
  committerSink,
  DrainingControl,
  MetadataClient,
  SendProducer,
} from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { expect } from "chai";
import { eventually } from "../support/owner.js";
import { brokerOrSkip } from "../support/broker.js";
import { fill, partitionsOf } from "./support/topics.js";

/** What a promise rejects with, and how long it took. */
const failure = async (promise: Promise<unknown>): Promise<{ readonly error: unknown; readonly ms: number }> => {
  const start = performance.now();
  const error = await promise.then(
    () => {
      throw new Error("expected a rejection");
    },
    (caught: unknown) => caught,
  );
  return { error, ms: performance.now() - start };
};

describe("metadata of a real broker", function () {
  this.timeout(60_000);
  let kafka: LocalKafka;
  let metadata: MetadataClient;
  let topic: string;
  const group = `metadata-${process.pid}`;

  before(async function () {
    kafka = await brokerOrSkip(this);
    topic = `metadata-${process.pid}`;
    await kafka.createTopic(topic, { partitions: 3 });
    const values = [0, 0, 0, 1, 1];
    await fill(
      kafka.brokers,
      values.map((partition) => ({ topic, partition, key: null, value: Buffer.from("v"), timestamp: 1000 })),
    );
    metadata = await MetadataClient.open({ kafka: { brokers: kafka.brokers, groupId: group } });
  });
  after(async () => {
    await metadata?.close();
  });
  const all = () => partitionsOf(topic, 3);
  const offsets = (found: readonly { readonly offset: number }[]): readonly number[] =>
    found.map(({ offset }) => offset);

  for (const name of ["missing", "no such/topic", ""]) {
    it(`M-07 M-08 knows no offsets of the topic "${name}", and says so at once`, async () => {
      for (const call of ["beginningOffsets", "endOffsets", "committedOffsets"] as const) {
        const { error, ms } = await failure(metadata[call]([{ topic: name, partition: 0 }]));
        expect(error).to.include({ code: "TOPIC_NOT_FOUND" });
        expect(ms).to.be.lessThan(3000);
      }
      expect((await failure(metadata.partitionsFor(name))).error).to.include({ code: "TOPIC_NOT_FOUND" });
      expect((await metadata.listTopics()).map((each) => each.topic)).not.to.include(name);
    });
  }

  it("M-11 knows no end of a partition that the topic has not, and says so at once", async () => {
    const { error, ms } = await failure(metadata.endOffsets([{ topic, partition: 3 }]));
    expect(error).to.include({ code: "PARTITION_NOT_FOUND" });
    expect(ms).to.be.lessThan(3000);
  });

  it("M-01 M-02 M-03 M-04 M-12 knows where partitions begin and end, one or several, empty ones too", async () => {
    expect(await metadata.beginningOffsets([{ topic, partition: 1 }])).to.deep.equal([
      { topic, partition: 1, offset: 0 },
    ]);
    expect(offsets(await metadata.beginningOffsets(all()))).to.deep.equal([0, 0, 0]);
    expect(await metadata.endOffsets([{ topic, partition: 1 }])).to.deep.equal([{ topic, partition: 1, offset: 2 }]);
    expect(offsets(await metadata.endOffsets(all()))).to.deep.equal([3, 2, 0]);
    expect(await metadata.endOffsets([])).to.deep.equal([]);
  });

  it("M-05 M-06 M-10 lists topics, and the partitions of one with leader and copies", async () => {
    const copies = { leader: 1, replicas: [1], inSyncReplicas: [1] };
    const expected = all().map((each) => ({ ...each, ...copies }));
    expect(await metadata.partitionsFor(topic)).to.deep.equal(expected);
    const listed = await metadata.listTopics();
    expect(listed.find((each) => each.topic === topic)?.partitions).to.deep.equal(expected);
  });

  it("finds offsets by time, and leaves out partitions that have nothing as young", async () => {
    const times = all().map((each) => ({ ...each, timestamp: 500 }));
    expect(offsets(await metadata.offsetsForTimes(times))).to.deep.equal([0, 0]);
    expect(await metadata.offsetsForTimes([{ topic, partition: 0, timestamp: 2000 }])).to.deep.equal([]);
  });

  it("is refused once the client is closed, which may be done twice", async () => {
    const own = await MetadataClient.open({ kafka: { brokers: kafka.brokers } });
    expect((await failure(own.committedOffsets(all()))).error).to.include({ code: "GROUP_ID_MISSING" });
    await Promise.all([own.close(), own.close()]);
    await own[Symbol.asyncDispose]();
    expect((await failure(own.listTopics())).error).to.include({ code: "CLIENT_CLOSED" });
  });

  it("S-36 W-23 is answered while a consumer of the same group works, which goes on; both give statistics", async () => {
    const told: ClientStatistics[] = [];
    const statistics = { intervalMs: 100, onStatistics: (each: ClientStatistics) => void told.push(each) };
    const settings = { brokers: kafka.brokers, groupId: group, statistics };
    let consumed = 0;
    const control = committableSource({ kafka: settings, topics: [topic] })
      .map(({ offset }) => {
        consumed += 1;
        return offset;
      })
      .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from)
      .run();
    const sender = SendProducer.create({ kafka: settings });
    try {
      await eventually("records", () => consumed === 5);
      const answers = Promise.all([
        metadata.listTopics(),
        metadata.partitionsFor(topic),
        metadata.beginningOffsets(all()),
        metadata.endOffsets(all()),
        metadata.offsetsForTimes(all().map((each) => ({ ...each, timestamp: 0 }))),
        metadata.committedOffsets(all()),
      ]);
      await sender.send({ topic, partition: 2, value: Buffer.from("v") });
      await answers;
      await eventually("the record sent meanwhile", () => consumed === 6);
      await eventually("both to tell", () =>
        ["consumer", "producer"].every((type) => told.some((each) => each.type === type)),
      );
      expect(control.metrics().client).to.include({ type: "consumer", client_id: "millrace" });
      // The producer is idle, and tells all the same.
      const before = told.filter(({ type }) => type === "producer").length;
      await eventually("more", () => told.filter(({ type }) => type === "producer").length > before + 1);
    } finally {
      await sender.close();
      await control.drainAndShutdown();
    }
    expect(offsets(await metadata.committedOffsets(all()))).to.deep.equal([3, 2, 1]);
  });
});
