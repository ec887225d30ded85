import { expect } from "chai";
import type { TopicPartitionOffset } from "../../../src/client/port.js";
import { RdkafkaConsumer } from "../../../src/client/rdkafka/consumer.js";
import { type Consume, FakeConsumer } from "./support/fake-native.js";

const ASSIGN = { code: -175 };
const REVOKE = { code: -174 };
const p0 = { topic: "t", partition: 0 };
const p1 = { topic: "t", partition: 1 };

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const setUp = async () => {
  const native = new FakeConsumer();
  const ends: TopicPartitionOffset[] = [];
  const listener = {
    ...{ onAssign: () => undefined, onRevoke: () => undefined, onError: () => undefined },
    onPartitionEnd: (end: TopicPartitionOffset) => void ends.push(end),
  };
  const consumer = new RdkafkaConsumer({ "group.id": "g" }, listener, undefined, native.create);
  await consumer.connect();
  const rebalance = async (what: typeof ASSIGN, ...partitions: (typeof p0)[]): Promise<void> => {
    native.rebalance?.(what, partitions);
    await turn();
  };
  /** A poll that meets these ends, after `during` has happened while it runs. */
  const poll = async (during: () => Promise<void>, ...met: TopicPartitionOffset[]): Promise<void> => {
    native.onConsume = (consume: Consume) =>
      void during().then(() => {
        for (const end of met) native.emit("partition.eof", { ...end });
        consume.answer([]);
      });
    await consumer.poll({ maxRecords: 1, waitMs: 0 });
  };
  /** How often the client was paused and resumed. */
  const pauses = (): readonly string[] => native.named.filter((name) => name === "pause" || name === "resume");
  return { native, ends, consumer, rebalance, poll, pauses };
};

const nothing = async (): Promise<void> => undefined;

describe("ends of partitions", () => {
  it("are passed on as the client meets them", async () => {
    const { ends, rebalance, poll } = await setUp();
    await rebalance(ASSIGN, p0, p1);
    await poll(nothing, { ...p0, offset: 3 }, { ...p1, offset: 0 });
    expect(ends).to.deep.equal([
      { ...p0, offset: 3 },
      { ...p1, offset: 0 },
    ]);
  });

  it("are not passed on of a partition that was assigned while they were met: they may be of its assignment before", async () => {
    const { ends, rebalance, poll, pauses } = await setUp();
    await rebalance(ASSIGN, p0, p1);
    const again = async (): Promise<void> => {
      await rebalance(REVOKE, p0, p1);
      await rebalance(ASSIGN, p0);
    };
    await poll(again, { ...p0, offset: 1 });
    expect(ends, "of the assignment before, or of this one").to.deep.equal([]);

    expect(pauses()).to.deep.equal([]);

    await poll(nothing, { ...p0, offset: 0 });
    expect(pauses(), "so that the client meets it again").to.deep.equal(["pause", "resume"]);
    expect(ends).to.deep.equal([{ ...p0, offset: 0 }]);
    await poll(nothing);
    expect(pauses(), "once").to.have.length(2);
  });

  it("leave alone a partition that is paused, whose resume makes the client meet them again", async () => {
    const { ends, rebalance, poll, consumer, pauses } = await setUp();
    await rebalance(ASSIGN, p0);
    await poll(() => rebalance(ASSIGN, p0, p1), { ...p1, offset: 1 });
    consumer.pause([p1]);
    await poll(nothing);
    expect([pauses(), ends]).to.deep.equal([["pause"], []]);
  });

  it("are met again of a partition that was paused once and is not any more, also where the client refused to resume it", async () => {
    for (const refused of [false, true]) {
      const { native, ends, rebalance, poll, consumer, pauses } = await setUp();
      await rebalance(ASSIGN, p0);
      consumer.pause([p0]);
      if (refused) native.throws.set("resume", Object.assign(new Error("gone"), { code: -190 }));
      consumer.resume([p0]);
      native.throws.delete("resume");
      await poll(() => rebalance(ASSIGN, p0), { ...p0, offset: 1 });
      await poll(nothing);
      expect([pauses().slice(-2), ends]).to.deep.equal([["pause", "resume"], []]);
      expect(pauses()).to.have.length(4);
    }
  });

  it("are of no use where the partition is gone by then", async () => {
    const { native, ends, rebalance, poll } = await setUp();
    await poll(() => rebalance(ASSIGN, p0), { ...p0, offset: 1 });
    native.throws.set("pause", Object.assign(new Error("gone"), { code: -190 }));
    await poll(nothing);
    await poll(nothing, { ...p0, offset: 2 });
    expect(ends).to.deep.equal([{ ...p0, offset: 2 }]);
  });
});
