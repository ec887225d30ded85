import { KafkaConnectorError } from "@millrace/kafka";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../support/fake-chunk.js";
import { FakeKafka } from "../support/fake-kafka.js";
import { gated, gather, type Message, p0, p1 } from "../support/pipelines.js";
import { morePolls, rejectionOf, until } from "../support/until.js";
import { Latch } from "../../../../test/support/latch.js";

describe("control of a running consumer", () => {
  let kafka: FakeKafka;
  beforeEach(() => {
    kafka = new FakeKafka();
  });
  afterEach(() => kafka.verify());

  const polls = async (count = 4): Promise<void> => {
    await morePolls(kafka.client, count);
  };
  const names = (messages: readonly Message[]): string[] =>
    messages.map(({ record, offset }) => `${record.partition}@${record.offset}#${offset.epoch}`);

  describe("seek", () => {
    it("is refused for a partition that is not assigned", () =>
      assertAllClosed(async () => {
        const { control } = gather(kafka);
        await kafka.client.assign(p0);
        expect(await rejectionOf(control.seek([{ ...p1, offset: 3 }]))).to.include({ code: "SEEK_FAILED" });
        expect(kafka.client.of("seek")).to.deep.equal([]);
        await control.shutdown();
        expect(await rejectionOf(control.seek([{ ...p0, offset: 3 }]))).to.include({ code: "SEEK_FAILED" });
      }));

    it("is given up when records are in flight for too long, and then reading goes on where it was", () =>
      assertAllClosed(async () => {
        const gate = new Latch();
        const { messages, control } = gated(kafka, () => gate.opened, { revokeTimeoutMs: 20 });
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 0, 2));
        await until(() => messages.length === 1, "a message");
        const error = await rejectionOf(control.seek([{ ...p0, offset: 100 }]));
        expect(error).to.include({ code: "SEEK_FAILED", retriable: true });
        kafka.client.give(records("t", 0, 2, 1));
        gate.open();
        await until(() => messages.length === 3, "the next message");
        await control.drainAndShutdown();
        expect(kafka.client.of("seek")).to.deep.equal([]);
        expect(names(messages)).to.deep.equal(["0@0#1", "0@1#1", "0@2#1"]);
      }));

    it("fails the stream when the client could not do it, for where it reads is unknown then", () =>
      assertAllClosed(async () => {
        const failure = new KafkaConnectorError("CLIENT_FAILED", "timed out");
        const { control, done } = gather(kafka);
        await kafka.client.assign(p0);
        kafka.client.onSeek = () => Promise.reject(failure);
        expect(await rejectionOf(control.seek([{ ...p0, offset: 3 }]))).to.equal(failure);
        expect(await rejectionOf(done)).to.equal(failure);
      }));

    it("is refused when the partition is revoked meanwhile, and the others are moved all the same", () =>
      assertAllClosed(async () => {
        const { messages, control } = gather(kafka);
        await kafka.client.assign(p0, p1);
        kafka.client.onSeek = () => kafka.client.revoke(p1);
        const error = await rejectionOf(
          control.seek([
            { ...p0, offset: 7 },
            { ...p1, offset: 7 },
          ]),
        );
        expect(error).to.include({ code: "SEEK_FAILED" });
        kafka.client.give(records("t", 0, 7, 1));
        await until(() => messages.length === 1, "a message");
        expect(names(messages)).to.deep.equal(["0@7#2"]);
        await control.shutdown();
      }));

    it("lets what is in flight end and be committed, drops what was read ahead, and begins a new epoch", () =>
      assertAllClosed(async () => {
        const gate = new Latch();
        const { messages, control } = gated(kafka, () => gate.opened);
        await kafka.client.assign(p0, p1);
        kafka.client.give(records("t", 0, 5, 1));
        await until(() => messages.length === 1, "a message");
        kafka.client.give([...records("t", 0, 6, 1), ...records("t", 1, 0, 1)]);
        await until(() => kafka.client.waiting === 0, "everything to be read");
        const sought = control.seek([{ ...p0, offset: 0 }]);
        await polls();
        gate.open();
        await sought;
        expect(kafka.client.of("commit")[0]?.positions).to.deep.include({ ...p0, offset: 6 });
        kafka.client.give(records("t", 0, 0, 2));
        await until(() => names(messages).includes("0@1#2"), "the records again");
        await control.drainAndShutdown();
        const last = kafka.client.of("commit").flatMap(({ positions }) => positions);
        expect(last.filter(({ partition }) => partition === 0).at(-1)?.offset).to.equal(2);
        expect(names(messages)).to.include("1@0#1");
      }));

    it("leaves commits of the old epoch without effect (I6)", () =>
      assertAllClosed(async () => {
        const { messages, control } = gather(kafka);
        await kafka.client.assign(p0);
        await control.seek([{ ...p0, offset: 9 }]);
        kafka.client.give(records("t", 0, 9, 1));
        await until(() => messages.length === 1, "a message");
        expect(names(messages)).to.deep.equal(["0@9#2"]);
        await control.shutdown();
        expect(kafka.client.of("commit")).to.deep.equal([]);
      }));
  });

  describe("replayFrom", () => {
    it("seeks the partitions that have such a record, and leaves the others", () =>
      assertAllClosed(async () => {
        const { messages, control } = gather(kafka);
        await kafka.client.assign(p0, p1);
        kafka.client.onTimes = (times) => {
          expect(times).to.deep.equal([
            { ...p0, timestamp: 1000 },
            { ...p1, timestamp: 1000 },
          ]);
          return [{ ...p1, offset: 4 }];
        };
        expect(await control.replayFrom(1000)).to.deep.equal([{ ...p1, offset: 4 }]);
        kafka.client.give([...records("t", 0, 0, 1), ...records("t", 1, 4, 1)]);
        await until(() => messages.length === 2, "messages");
        expect(names(messages)).to.have.members(["0@0#1", "1@4#2"]);
        await control.shutdown();
      }));
  });

  describe("pause", () => {
    it("is kept when the partition goes and comes back, and delivers nothing of it", () =>
      assertAllClosed(async () => {
        const { messages, control } = gather(kafka);
        await kafka.client.assign(p0, p1);
        control.pause([p0]);
        await polls();
        expect([...kafka.client.paused]).to.deep.equal(["0 t"]);
        await kafka.client.revoke(p0);
        await kafka.client.assign(p0);
        kafka.client.give([...records("t", 0, 0, 2), ...records("t", 1, 0, 1)]);
        await until(() => messages.length === 1, "the other partition");
        await polls();
        expect(names(messages)).to.deep.equal(["1@0#1"]);
        expect(control.explain().partitions.map(({ state }) => state)).to.have.members(["pausedByUser", "delivering"]);
        control.resume([p0]);
        await until(() => messages.length === 3, "what was held back");
        await control.shutdown();
      }));

    it("of everything holds for partitions that come later, but for those resumed by name", () =>
      assertAllClosed(async () => {
        const { messages, control } = gather(kafka);
        control.pause();
        await kafka.client.assign(p0, p1);
        kafka.client.give([...records("t", 0, 0, 1), ...records("t", 1, 0, 1)]);
        await polls();
        expect(messages).to.deep.equal([]);
        control.resume([p1]);
        await until(() => messages.length === 1, "the resumed one");
        await polls();
        expect(names(messages)).to.deep.equal(["1@0#1"]);
        control.resume();
        await until(() => messages.length === 2, "the other");
        await control.shutdown();
      }));
  });

  it("answers the assignment and the lag: from what is finished, else committed, else the beginning", () =>
    assertAllClosed(async () => {
      const { messages, control } = gated(kafka);
      const p2 = { topic: "t", partition: 2 };
      await kafka.client.assign(p0, p1, p2);
      kafka.client.stored = [{ ...p1, offset: 30 }];
      kafka.client.onWatermarks = () => ({ low: 10, high: 50 });
      kafka.client.give(records("t", 0, 40, 2));
      await until(() => messages.length === 2 && kafka.client.of("commit").length > 0, "messages");
      expect(control.assignment()).to.deep.equal([p0, p1, p2]);
      await until(() => control.metrics().inFlight === 0, "everything to be finished");
      expect(await control.lag()).to.deep.equal([
        { ...p0, position: 42, end: 50, lag: 8 },
        { ...p1, position: 30, end: 50, lag: 20 },
        { ...p2, position: 10, end: 50, lag: 40 },
      ]);
      await control.drainAndShutdown();
    }));

  it("S-39 counts what became of the records, also of partitions given up", () =>
    assertAllClosed(async () => {
      const { messages, control } = gated(kafka);
      await kafka.client.assign(p0, p1);
      kafka.client.give([...records("t", 0, 0, 3), ...records("t", 1, 0, 2)]);
      await until(() => messages.length === 5 && control.metrics().inFlight === 0, "messages");
      await kafka.client.revoke(p0);
      const metrics = control.metrics();
      expect(metrics).to.include({
        ...{ assignedPartitions: 1, delivered: 5, processed: 5, discarded: 0, parked: 0, abandoned: 0 },
        ...{ inFlight: 0, buffered: 0, rebalances: 2 },
      });
      expect(metrics.polls).to.be.greaterThan(0);
      expect(metrics.commits).to.be.greaterThan(0);
      await control.drainAndShutdown();
    }));
});
