import { expect } from "chai";
import type { ClientProperties } from "../../../src/client/port.js";
import type { NativeAdmin } from "../../../src/client/rdkafka/native.js";
import { RdkafkaTopicAdmin } from "../../../src/client/rdkafka/topic-admin.js";
import { rejectionOf, until } from "../../support/until.js";
import { Latch } from "../../../../../test/support/latch.js";

type Done = (error: unknown) => void;

describe("RdkafkaTopicAdmin", () => {
  const steps: string[] = [];
  let properties: ClientProperties | undefined;
  let answer: (done: Done) => void;
  beforeEach(() => {
    steps.length = 0;
    properties = undefined;
    answer = (done) => setImmediate(done, undefined);
  });
  const native: NativeAdmin = {
    createTopic: ({ topic, num_partitions, replication_factor }, ms, done) => {
      steps.push(`create ${topic} ${num_partitions} ${replication_factor} ${ms}`);
      answer(done);
    },
    deleteTopic: (topic, _ms, done) => {
      steps.push(`delete ${topic}`);
      answer(done);
    },
    createPartitions: (topic, total, _ms, done) => {
      steps.push(`grow ${topic} ${total}`);
      answer(done);
    },
    disconnect: () => void steps.push("disconnect"),
  };
  const make = (client: ClientProperties): NativeAdmin => {
    properties = client;
    return native;
  };
  const topic = { topic: "t", partitions: 2, replicationFactor: 1, config: {} };

  for (const [clientCode, code] of [
    [36, "TOPIC_EXISTS"],
    [3, "TOPIC_NOT_FOUND"],
    [29, "ADMIN_FAILED"],
  ] as const) {
    it(`rejects with ${code} where the broker answers ${clientCode}`, async () => {
      const admin = new RdkafkaTopicAdmin({}, make);
      answer = (done) => done({ code: clientCode });
      expect(await rejectionOf(admin.createTopic(topic, 100))).to.include({ code, clientCode });
      await admin.close();
    });
  }

  it("rejects each call with INVALID_SETTINGS while its handle cannot be made", async () => {
    const admin = new RdkafkaTopicAdmin({}, () => {
      throw new Error("no such property");
    });
    for (let call = 0; call < 2; call++)
      expect(await rejectionOf(admin.deleteTopic("t", 100))).to.include({ code: "INVALID_SETTINGS" });
    await admin.close();
  });

  it("rejects a call that librdkafka does not answer, and is freed only once it has ended", async () => {
    const admin = new RdkafkaTopicAdmin({}, make);
    const stuck = new Latch<Done>();
    answer = (done) => stuck.open(done);
    const error = await rejectionOf(admin.deleteTopic("t", 1));
    expect(error).to.include({ code: "ADMIN_FAILED", clientCode: -185, retriable: true });
    await admin.close();
    expect(steps).to.deep.equal(["delete t"]);
    (await stuck.opened)(undefined);
    await until(() => steps.includes("disconnect"), "the end");
  });

  it("is asked once for a token before each call", async () => {
    let renewed = 0;
    const admin = new RdkafkaTopicAdmin({}, make, async () => void (renewed += 1));
    for (let call = 0; call < 3; call++) await admin.growTopic("t", 3, 100);
    expect(renewed, "the first is there when it is made").to.equal(2);
    await admin.close();
  });

  it("is quiet, and takes what concerns topics' records from its properties", async () => {
    const admin = new RdkafkaTopicAdmin({ "bootstrap.servers": "b", acks: "all" }, make);
    await admin.createTopic(topic, 50);
    expect(properties).to.deep.equal({ log_level: 0, "bootstrap.servers": "b" });
    await Promise.all([admin.close(), admin.close()]);
    expect(await rejectionOf(admin.deleteTopic("t", 50))).to.include({ code: "CLIENT_CLOSED" });
    expect(steps).to.deep.equal(["create t 2 1 50", "disconnect"]);
  });

  it("makes nothing where it is closed before its first call", async () => {
    const admin = new RdkafkaTopicAdmin({}, make);
    await admin.close();
    expect(properties).to.equal(undefined);
  });
});
