import { expect } from "chai";
import { clusterMetadata } from "../../../src/client/rdkafka/metadata.js";
import type { NativeConsumer, NativeMetadata } from "../../../src/client/rdkafka/native.js";
import type { CallNative } from "../../../src/client/rdkafka/positions.js";

const call: CallNative = (what, _timeoutMs, start) =>
  new Promise((resolve, reject) => {
    start((error, result) => {
      if (error === undefined || error === null) resolve(result);
      else reject(new Error(what, { cause: error }));
    });
  });

const partition = (id: number, leader = 1): NativeMetadata["topics"][number]["partitions"][number] => ({
  id,
  leader,
  replicas: [1, 2],
  isrs: [1],
});

describe("what the driver says of the cluster", () => {
  const asked: unknown[] = [];
  const native = {
    getMetadata: (options: object, done: (error: unknown, metadata?: NativeMetadata) => void) => {
      asked.push(options);
      done(null, {
        brokers: [{ id: 1, host: "h", port: 9092 }],
        topics: [
          { name: "t", partitions: [partition(1, -1), partition(0)] },
          { name: "going", partitions: [] },
          { name: "u", partitions: [partition(0)] },
        ],
      });
    },
  } as unknown as NativeConsumer;

  it("is not there where the client fails", async () => {
    const failing = {
      getMetadata: (_: object, done: (error: unknown) => void) => done({ code: -195 }),
    } as unknown as NativeConsumer;
    const error = await clusterMetadata(failing, call, "t", 100).catch((caught: unknown) => caught);
    expect(error).to.have.property("message", "describe the cluster");
  });

  it("leaves out a topic that has no partitions, or that was not asked for", async () => {
    expect((await clusterMetadata(native, call, "missing", 100)).topics).to.deep.equal([]);
    expect((await clusterMetadata(native, call, "going", 100)).topics).to.deep.equal([]);
    expect((await clusterMetadata(native, call, undefined, 100)).topics.map(({ topic }) => topic)).to.deep.equal([
      "t",
      "u",
    ]);
  });

  it("names partitions in order, and no leader where there is none", async () => {
    const { brokers, topics } = await clusterMetadata(native, call, "t", 100);
    expect(brokers).to.deep.equal([{ id: 1, host: "h", port: 9092 }]);
    const copies = { topic: "t", replicas: [1, 2], inSyncReplicas: [1] };
    expect(topics).to.deep.equal([
      {
        topic: "t",
        partitions: [
          { ...copies, partition: 0, leader: 1 },
          { ...copies, partition: 1, leader: undefined },
        ],
      },
    ]);
  });

  it("names no topic to the client, which could create it", async () => {
    asked.length = 0;
    await clusterMetadata(native, call, "t", 100);
    expect(asked).to.deep.equal([{ allTopics: true, timeout: 100 }]);
  });
});
