import { assertAllClosed, type VirtualClock, virtualClock } from "@millrace/streams-testkit";
import { committerSink, type CommittableSettings, DrainingControl } from "@millrace/kafka";
import { expect } from "chai";
import { type FakeRecord, records } from "../../support/fake-chunk.js";
import { FakeKafka } from "../../support/fake-kafka.js";
import { type Message, p0, p1, source } from "../../support/pipelines.js";
import { morePolls, rejectionOf, until } from "../../support/until.js";
import { Latch } from "../../../../../test/support/latch.js";

type Settings = Partial<CommittableSettings<string, Buffer | null>>;

describe("what is read from before where a partition was", () => {
  let kafka: FakeKafka;
  let clock: VirtualClock;
  let messages: Message[];
  beforeEach(() => {
    kafka = new FakeKafka();
    clock = virtualClock();
    messages = [];
  });
  afterEach(() => kafka.verify());

  const run = (settings: Settings = {}) =>
    source(kafka, settings)
      .map((message) => {
        messages.push(message);
        return message.offset;
      })
      .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from)
      .run({ clock });
  const offsets = (): string[] => messages.map(({ record }) => `${record.partition}@${record.offset}`);
  const seeks = () => kafka.client.of("seek").map(({ positions }) => positions);
  const delivered = (count: number): Promise<void> => until(() => messages.length === count, `${count} messages`);
  const at = (given: readonly FakeRecord[], timestamp: number): FakeRecord[] =>
    given.map((record) => ({ ...record, timestamp }));

  describe("without protection", () => {
    it("fails the stream with OFFSET_RESET, delivers and commits nothing of it", () =>
      assertAllClosed(async () => {
        const control = run();
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 5, 2));
        await delivered(2);
        kafka.client.give(records("t", 0, 0, 3));
        const error = await rejectionOf(control.streamCompletion);
        expect(error).to.include({ code: "OFFSET_RESET" });
        expect((error as Error).message)
          .to.include("t[0] was read from offset 0")
          .and.to.include("below 7");
        await rejectionOf(control.drainAndShutdown());
        expect(offsets()).to.deep.equal(["0@5", "0@6"]);
        const committed = kafka.client.of("commit").flatMap(({ positions }) => positions);
        expect(committed.every(({ offset }) => offset >= 6)).to.equal(true);
      }));

    it("does so where the client goes back within one read", () =>
      assertAllClosed(async () => {
        const control = run();
        await kafka.client.assign(p0);
        kafka.client.give([...records("t", 0, 5, 2), ...records("t", 0, 0, 2)]);
        expect(await rejectionOf(control.streamCompletion)).to.include({ code: "OFFSET_RESET" });
        expect(offsets()).to.deep.equal(["0@5", "0@6"]);
      }));

    it("delivers and commits nothing that lies beyond the place which was not reached again, be the stream busy", () =>
      assertAllClosed(async () => {
        const worked = new Latch();
        const control = source(kafka)
          .mapAsync(1, async (message) => {
            messages.push(message);
            await worked.opened;
            return message.offset;
          })
          .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from)
          .run({ clock });
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 5, 1));
        await delivered(1);
        kafka.client.give(records("t", 0, 0, 2));
        kafka.client.give(records("t", 0, 9, 2));
        await morePolls(kafka.client, 2);
        worked.open();
        expect(await rejectionOf(control.streamCompletion)).to.include({ code: "OFFSET_RESET" });
        await control.isShutdown.catch(() => undefined);
        expect(offsets()).to.deep.equal(["0@5"]);
        const committed = kafka.client.of("commit").flatMap(({ positions }) => positions);
        expect(committed.filter(({ offset }) => offset > 6)).to.deep.equal([]);
      }));

    it("takes a seek back, and a partition that comes back, as what they are", () =>
      assertAllClosed(async () => {
        const control = run();
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 5, 1));
        await delivered(1);
        await control.seek([{ ...p0, offset: 2 }]);
        kafka.client.give(records("t", 0, 2, 1));
        await delivered(2);
        await kafka.client.revoke(p0);
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 0, 1));
        await delivered(3);
        await control.drainAndShutdown();
      }));
  });

  describe("with protection", () => {
    it("O-20 is dropped when it is behind by more than the threshold, and the client is sent back", () =>
      assertAllClosed(async () => {
        const control = run({ offsetResetProtection: { offsetThreshold: 3 } });
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 10, 2));
        await delivered(2);
        kafka.client.give(records("t", 0, 0, 100));
        await until(() => seeks().length === 1, "a seek");
        expect(seeks()).to.deep.equal([[{ ...p0, offset: 12 }]]);
        kafka.client.give(records("t", 0, 12, 1));
        await delivered(3);
        expect(offsets()).to.deep.equal(["0@10", "0@11", "0@12"]);
        expect(control.metrics().offsetResets).to.equal(1);
        await control.drainAndShutdown();
      }));

    it("O-20 fails the stream when it is behind by no more: the log may have been cut", () =>
      assertAllClosed(async () => {
        const control = run({ offsetResetProtection: { offsetThreshold: 3 } });
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 10, 2));
        await delivered(2);
        kafka.client.give(records("t", 0, 9, 1));
        expect(await rejectionOf(control.streamCompletion)).to.include({ code: "OFFSET_RESET" });
        expect(seeks()).to.deep.equal([]);
      }));

    it("drops what comes until the client was sent back, be it from the right place", () =>
      assertAllClosed(async () => {
        const control = run({ offsetResetProtection: {} });
        await kafka.client.assign(p0, p1);
        kafka.client.give(records("t", 0, 10, 2));
        await delivered(2);
        kafka.client.give([...records("t", 0, 8, 2), ...records("t", 1, 0, 1), ...records("t", 0, 13, 5)]);
        await until(() => seeks().length === 1, "a seek");
        kafka.client.give(records("t", 0, 12, 1));
        await delivered(4);
        // Between partitions there is no order.
        expect(offsets().toSorted()).to.deep.equal(["0@10", "0@11", "0@12", "1@0"]);
        await control.drainAndShutdown();
      }));

    it("sends it back later each time when it is reset again, and fails the stream in the end", () =>
      assertAllClosed(async () => {
        const control = run({ offsetResetProtection: {} });
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 10, 2));
        await delivered(2);
        kafka.client.onSeek = () => {
          // After the seek has dropped what was fetched.
          setImmediate(() => kafka.client.give(records("t", 0, 0, 1)));
        };
        kafka.client.give(records("t", 0, 0, 1));
        for (let attempt = 1; attempt <= 10; attempt++) {
          await until(() => seeks().length === attempt, `seek ${attempt}`);
          await until(
            () => kafka.client.waiting === 0 && control.metrics().offsetResets === attempt + 1,
            "the next reset",
          );
          await clock.advance(attempt === 10 ? 0 : 5000);
        }
        expect(await rejectionOf(control.streamCompletion)).to.include({ code: "OFFSET_RESET" });
        expect(seeks()).to.have.length(10);
      }));

    it("sends it back again when the client could not seek", () =>
      assertAllClosed(async () => {
        const control = run({ offsetResetProtection: {} });
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 10, 2));
        await delivered(2);
        kafka.client.onSeek = () => Promise.reject(new Error("timed out"));
        kafka.client.give(records("t", 0, 0, 1));
        await until(() => seeks().length === 1, "a seek");
        kafka.client.give(records("t", 0, 12, 1));
        await until(() => kafka.client.waiting === 0, "it to be read");
        kafka.client.onSeek = () => undefined;
        await until(() => clock.pending > 1, "another attempt to be planned");
        await clock.advance(100);
        await until(() => seeks().length === 2, "another seek");
        kafka.client.give(records("t", 0, 12, 1));
        await delivered(3);
        await control.drainAndShutdown();
      }));

    it("O-06 O-09 O-21 is checked from the first record on, against what the group had committed", () =>
      assertAllClosed(async () => {
        const control = run({ offsetResetProtection: {} });
        kafka.client.stored = [{ ...p0, offset: 50 }];
        await kafka.client.assign(p0, p1);
        kafka.client.give([...records("t", 0, 0, 1), ...records("t", 1, 0, 1)]);
        await until(() => seeks().length === 1, "a seek");
        expect(seeks()).to.deep.equal([[{ ...p0, offset: 50 }]]);
        kafka.client.give(records("t", 0, 50, 1));
        await delivered(2);
        expect(offsets()).to.deep.equal(["1@0", "0@50"]);
        await control.drainAndShutdown();
      }));

    it("O-08 against the position it was given, without asking for another", () =>
      assertAllClosed(async () => {
        const assignment = [{ ...p0, offset: 7 }];
        const control = run({ offsetResetProtection: {}, topics: undefined as never, assignment });
        kafka.client.stored = [{ ...p0, offset: 50 }];
        await until(() => kafka.client.of("subscribe").length === 1, "a subscription");
        kafka.client.give(records("t", 0, 7, 1));
        await delivered(1);
        expect(seeks()).to.deep.equal([]);
        await control.drainAndShutdown();
      }));

    it("O-02 O-22 is dropped when it is older than the threshold allows; records without a time are not", () =>
      assertAllClosed(async () => {
        const control = run({ offsetResetProtection: { timeThresholdMs: 1000 } });
        await kafka.client.assign(p0);
        kafka.client.give([...at(records("t", 0, 10, 1), 5000), ...at(records("t", 0, 11, 1), -1)]);
        await delivered(2);
        kafka.client.give([...at(records("t", 0, 12, 1), 6000), ...at(records("t", 0, 13, 1), 7000)]);
        await delivered(4);
        kafka.client.give(at(records("t", 0, 0, 1), 5999));
        await until(() => seeks().length === 1, "a seek");
        kafka.client.give(at(records("t", 0, 14, 1), 1));
        await delivered(5);
        expect(offsets().at(-1)).to.equal("0@14");
        await control.drainAndShutdown();
      }));

    it("O-22 fails the stream when it is behind and young enough: those are other records", () =>
      assertAllClosed(async () => {
        const control = run({ offsetResetProtection: { timeThresholdMs: 1000 } });
        await kafka.client.assign(p0);
        kafka.client.give(at(records("t", 0, 10, 1), 5000));
        await delivered(1);
        kafka.client.give(at(records("t", 0, 0, 1), 4000));
        expect(await rejectionOf(control.streamCompletion)).to.include({ code: "OFFSET_RESET" });
      }));

    it("O-24 is recognised by the first and the last record of a run alone", () =>
      assertAllClosed(async () => {
        const control = run({ offsetResetProtection: { timeThresholdMs: 1000 } });
        await kafka.client.assign(p0);
        kafka.client.give(at(records("t", 0, 10, 1), 5000));
        await delivered(1);
        kafka.client.give([...at(records("t", 0, 0, 1), 5000), ...at(records("t", 0, 1, 1), 1)]);
        await until(() => seeks().length === 1, "a seek");
        kafka.client.give([...at(records("t", 0, 11, 1), 5000), ...at(records("t", 0, 12, 1), 1)]);
        await delivered(3);
        await control.drainAndShutdown();
      }));

    it("O-03 O-07 O-23 concerns no partition that is not assigned, or was revoked since", () =>
      assertAllClosed(async () => {
        const control = run({ offsetResetProtection: {} });
        await kafka.client.assign(p0);
        kafka.client.give([...records("t", 0, 10, 1), ...records("t", 1, 10, 1), ...records("t", 1, 0, 1)]);
        await delivered(1);
        await kafka.client.revoke(p0);
        // The group is set back meanwhile, which is believed after a while.
        kafka.client.stored = [{ ...p0, offset: 3 }];
        let assigned = false;
        void kafka.client.assign(p0).then(() => (assigned = true));
        while (!assigned) await clock.advance(500);
        kafka.client.give(records("t", 0, 3, 1));
        await delivered(2);
        expect(seeks()).to.deep.equal([]);
        await control.drainAndShutdown();
      }));

    it("leaves seeks of the user alone, also back to the beginning", () =>
      assertAllClosed(async () => {
        const control = run({ offsetResetProtection: {} });
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 10, 1));
        await delivered(1);
        await control.seek([{ ...p0, offset: 0 }]);
        kafka.client.give(records("t", 0, 0, 1));
        await delivered(2);
        kafka.client.onTimes = () => [{ ...p0, offset: 0 }];
        await control.replayFrom(0);
        kafka.client.give(records("t", 0, 0, 1));
        await delivered(3);
        expect(seeks()).to.have.length(2);
        expect(control.metrics().offsetResets).to.equal(0);
        await control.drainAndShutdown();
      }));

    it("does not end a bounded source at an end that the client met on its wrong way", () =>
      assertAllClosed(async () => {
        kafka.onConsumer = (client) => {
          client.onWatermarks = () => ({ low: 0, high: 12 });
        };
        const control = run({ offsetResetProtection: {}, until: "end" });
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 9, 2));
        await delivered(2);
        kafka.client.onSeek = () => new Promise((resolve) => setImmediate(resolve));
        kafka.client.give(records("t", 0, 0, 12));
        kafka.client.reachEnd({ ...p0, offset: 12 });
        await until(() => seeks().length === 1, "a seek");
        kafka.client.give(records("t", 0, 11, 1));
        await control.streamCompletion;
        expect(offsets()).to.deep.equal(["0@9", "0@10", "0@11"]);
      }));
  });
});
