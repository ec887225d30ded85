import { SimulatedKafka } from "@millrace/kafka-testkit";
import { virtualClock, type VirtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { Member } from "./support/member.js";
import { Sender } from "./support/sender.js";
import { passing, passUntil } from "./support/virtual-time.js";

const REFRESH_MS = 1000;

describe("topics of a simulated cluster", () => {
  let clock: VirtualClock;
  let kafka: SimulatedKafka;
  let toClose: { close(): Promise<unknown> }[];

  const make = (partitions = 1): void => {
    kafka = new SimulatedKafka({ seed: 5, clock });
    kafka.createTopic("t", partitions);
  };
  const member = (id: string, properties = {}): Member => {
    const made = new Member(kafka, id, { "topic.metadata.refresh.interval.ms": REFRESH_MS, ...properties });
    toClose.push(made);
    return made;
  };
  const alone = (reset: string): Member =>
    member("c", { "auto.offset.reset": reset }).start({
      kind: "assignment",
      partitions: [{ topic: "t", partition: 0 }],
    });
  const append = (...values: readonly number[]): void =>
    kafka.append("t", 0, ...values.map((value) => ({ value: String(value) })));
  const watermarks = ({ client }: Member) =>
    passing(clock, client.watermarks({ topic: "t", partition: 0 }, 1000), "watermarks");

  beforeEach(() => {
    clock = virtualClock();
    toClose = [];
  });
  afterEach(() => passing(clock, Promise.all(toClose.map((each) => each.close())), "all clients to close"));

  describe("that grow", () => {
    it("cannot where there is none", () => {
      make();
      expect(() => kafka.addPartitions("nowhere", 1)).to.throw("no partition nowhere-0");
    });

    for (const strategy of ["range", "cooperative-sticky"]) {
      it(`are given out anew once the members have looked, not before (${strategy})`, async () => {
        make();
        const [a, b] = ["a", "b"].map((id) => member(id, { "partition.assignment.strategy": strategy }).start());
        const owned = () => (a?.owned.size ?? 0) + (b?.owned.size ?? 0);
        await passUntil(clock, () => kafka.group("g").assignments.size === 2 && owned() === 1, "an assignment");
        await clock.advance(REFRESH_MS);
        const { generation } = kafka.group("g");
        kafka.addPartitions("t", 3);
        const at = clock.now();
        await passUntil(clock, () => owned() === 4, "all four partitions");
        expect(clock.now() - at).to.be.within(1, 2 * REFRESH_MS);
        expect(kafka.group("g").generation).to.be.greaterThan(generation);
        const after = kafka.group("g").generation;
        await clock.advance(5 * REFRESH_MS);
        expect(kafka.group("g").generation, "where nothing changes").to.equal(after);
      });
    }

    it("are used by a producer after it has looked", async () => {
      make();
      const sender = new Sender(kafka, "p", { "topic.metadata.refresh.interval.ms": REFRESH_MS });
      toClose.push(sender.client);
      await passing(clock, sender.client.connect(), "a connection");
      sender.send("t", 0, "a");
      kafka.addPartitions("t", 1);
      expect(() => sender.send("t", 1, "b")).to.throw("has 1 partitions");
      await clock.advance(REFRESH_MS);
      sender.send("t", 1, "c");
      await passing(clock, sender.client.flush(1000), "reports");
      expect(sender.acknowledged).to.deep.equal(["a", "c"]);
    });
  });

  it("are described to a client, less those that are not there", async () => {
    make();
    const one = member("c");
    await passing(clock, one.client.connect(), "a connection");
    const { brokers, topics } = await passing(clock, one.client.metadata(undefined, 1000), "metadata");
    expect(brokers.map(({ id }) => id)).to.deep.equal([1]);
    const copies = { leader: 1, replicas: [1], inSyncReplicas: [1] };
    expect(topics).to.deep.equal([{ topic: "t", partitions: [{ topic: "t", partition: 0, ...copies }] }]);
    expect((await passing(clock, one.client.metadata("missing", 1000), "metadata")).topics).to.deep.equal([]);
  });

  describe("whose oldest records are deleted", () => {
    it("let a consumer below fail where auto.offset.reset is error", async () => {
      make();
      append(0, 1, 2);
      kafka.deleteRecords("t", 0, 2);
      const one = member("c", { "auto.offset.reset": "error" }).start({
        kind: "assignment",
        partitions: [{ topic: "t", partition: 0, offset: 0 }],
      });
      await passUntil(clock, () => one.errors.length > 0, "an error");
      expect(one.errors[0]).to.include({ code: "POLL_FAILED", clientCode: -140 });
    });

    for (const [reset, expected] of [
      ["earliest", [2, 3]],
      ["latest", [3]],
    ] as const) {
      it(`let a consumer below go on at the ${reset} one`, async () => {
        make();
        append(0, 1, 2);
        const one = alone("earliest");
        await passUntil(clock, () => one.read.length === 3, "the records");
        await passing(clock, one.client.commit([{ topic: "t", partition: 0, offset: 1 }]), "a commit");
        kafka.deleteRecords("t", 0, 2);
        const next = alone(reset);
        await clock.advance(200);
        append(3);
        await clock.advance(200);
        expect(next.read).to.deep.equal(expected.map((offset) => `t-0@${offset}`));
      });
    }

    it("move a consumer that was paused meanwhile, and have a low watermark", async () => {
      make();
      append(0);
      const one = alone("earliest");
      await passUntil(clock, () => one.read.length === 1, "a record");
      one.client.pause([{ topic: "t", partition: 0 }]);
      append(1, 2, 3);
      kafka.deleteRecords("t", 0, 3);
      one.client.resume([{ topic: "t", partition: 0 }]);
      await passUntil(clock, () => one.read.length === 2, "another");
      expect(one.read).to.deep.equal(["t-0@0", "t-0@3"]);
      expect(await watermarks(one)).to.deep.equal({ low: 3, high: 4 });
      kafka.deleteRecords("t", 0, 1);
      expect(await watermarks(one), "never moves back").to.deep.equal({ low: 3, high: 4 });
      expect(kafka.records("t", 0), "what was ever stored").to.have.length(4);
    });
  });

  it("have holes, over which a consumer goes", async () => {
    make();
    kafka.skipOffsets("t", 0, 2);
    append(0);
    kafka.skipOffsets("t", 0, 3);
    append(1);
    kafka.skipOffsets("t", 0, 1);
    const one = alone("earliest");
    await passUntil(clock, () => one.read.length === 2, "the records");
    expect(one.read).to.deep.equal(["t-0@2", "t-0@6"]);
    expect(await watermarks(one)).to.deep.equal({ low: 0, high: 8 });
    append(2);
    await passUntil(clock, () => one.read.length === 3, "the next");
    expect(one.read.at(-1)).to.equal("t-0@8");
  });
});
