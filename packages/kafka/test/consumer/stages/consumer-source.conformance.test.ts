import { Keep, Sink } from "@millrace/streams";
import { committerSink, DrainingControl, KafkaConnectorError } from "@millrace/kafka";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../../support/fake-chunk.js";
import { FakeKafka } from "../../support/fake-kafka.js";
import { gather, p0, source } from "../../support/pipelines.js";
import { morePolls, rejectionOf, until } from "../../support/until.js";
import { Latch } from "../../../../../test/support/latch.js";

describe("a consumer source", () => {
  let kafka: FakeKafka;
  beforeEach(() => {
    kafka = new FakeKafka();
  });
  afterEach(() => kafka.verify());

  describe("failing", () => {
    it("S-01 fails the stream with the client's own error when poll fails for good", () =>
      assertAllClosed(async () => {
        const { done, control } = gather(kafka);
        const broken = new Error("poll is broken");
        kafka.client.failPoll(broken);
        expect(await rejectionOf(done)).to.equal(broken);
        await control.isShutdown;
        expect(kafka.client.closed).to.equal(true);
      }));
  });

  describe("ending", () => {
    it("S-02 completes and closes the client on shutdown()", () =>
      assertAllClosed(async () => {
        const { done, control } = gather(kafka);
        await until(() => kafka.client.of("subscribe").length === 1, "a subscription");
        await control.shutdown();
        await done;
        await control.isShutdown;
        expect(kafka.client.of("close")).to.have.length(1);
      }));

    it("S-03 closes the client when downstream cancels", () =>
      assertAllClosed(async () => {
        const [control, taken] = source(kafka).take(2).toMat(Sink.toArray(), Keep.both).run();
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 0, 5));
        expect(await taken).to.have.length(2);
        await control.isShutdown;
        expect(kafka.client.closed).to.equal(true);
      }));

    // Differs: the client also closes by itself once the run has ended, so the run is kept alive here.
    it("S-08 S-37 completes the outlet on stop() and keeps the client open until shutdown()", () =>
      assertAllClosed(async () => {
        const busy = new Latch();
        const [control, done] = source(kafka)
          .mapAsync(1, () => busy.opened)
          .toMat(Sink.ignore, Keep.both)
          .run();
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 0, 1));
        await until(() => kafka.client.waiting === 0, "the record to be fetched");
        await control.stop();
        await morePolls(kafka.client, 2);
        expect(kafka.client.closed).to.equal(false);
        await control.shutdown();
        expect(kafka.client.closed).to.equal(true);
        busy.open();
        await done;
      }));

    it("S-08 closes the client after stop() once the run has ended", () =>
      assertAllClosed(async () => {
        const { control, done } = gather(kafka);
        await control.stop();
        await done;
        await control.isShutdown;
        expect(kafka.client.closed).to.equal(true);
      }));

    it("S-08 delivers nothing that waits when it is stopped", () =>
      assertAllClosed(async () => {
        const { control, done, messages } = gather(kafka);
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 0, 5));
        await control.stop();
        await done;
        expect(messages).to.have.length(0);
      }));

    it("S-09 resolves stop() once the stage has been shut down", async () => {
      const { control } = gather(kafka);
      await control.shutdown();
      await control.stop();
    });

    it("S-10 resolves stop() called after shutdown() was begun", async () => {
      const { control } = gather(kafka);
      const closing = control.shutdown();
      await control.stop();
      await closing;
    });

    it("S-11 takes stop() five times", () =>
      assertAllClosed(async () => {
        const { control, done } = gather(kafka);
        await Promise.all([1, 2, 3, 4, 5].map(() => control.stop()));
        await done;
        await control.isShutdown;
        expect(kafka.client.of("close")).to.have.length(1);
      }));
  });

  describe("delivering in order", () => {
    const all = records("t", 0, 0, 1000);
    const offsets = all.map(({ offset }) => offset);
    const deliver = (give: () => void): Promise<void> =>
      assertAllClosed(async () => {
        const { control, messages } = gather(kafka);
        await kafka.client.assign(p0);
        give();
        await until(() => messages.length >= 1000, "1000 messages");
        await control.shutdown();
        expect(messages.map(({ record }) => record.offset)).to.deep.equal(offsets);
        expect(messages.map(({ record }) => record.value?.toString())).to.deep.equal(all.map(({ value }) => value));
      });

    it("S-04 emits one chunk of 1000", () => deliver(() => kafka.client.give(all)));

    it("S-05 emits chunks of 97", () =>
      deliver(() => {
        for (let from = 0; from < 1000; from += 97) kafka.client.give(all.slice(from, from + 97));
      }));

    it("S-06 emits chunks of one", () =>
      deliver(() => {
        for (const one of all) kafka.client.give([one]);
      }));

    it("S-07 emits chunks with empty polls between", () =>
      deliver(() => {
        for (let from = 0; from < 1000; from += 97) {
          kafka.client.give([]);
          kafka.client.give(all.slice(from, from + 97));
          kafka.client.give([]);
        }
      }));
  });

  describe("commits under way at the end", () => {
    it("S-12 are awaited by shutdown() before the client is closed, and succeed", () =>
      assertAllClosed(async () => {
        const { control, messages } = gather(kafka);
        await kafka.client.assign(p0);
        kafka.client.onCommit = () => undefined;
        kafka.client.give(records("t", 0, 0, 1));
        await until(() => messages.length === 1, "a message");
        const { owner, topic, partition, offset, epoch, metadata } = messages[0]!.offset;
        const committed = owner.commit([{ topic, partition, position: offset + 1, epoch, metadata }]);
        await until(() => kafka.client.commits.length === 1, "a commit");
        const closing = control.shutdown();
        await morePolls(kafka.client, 2);
        expect(kafka.client.closed).to.equal(false);
        kafka.client.commits[0]!.acknowledge();
        await committed;
        await closing;
        expect(kafka.client.of("close")).to.deep.equal([{ call: "close", commitInFlight: false }]);
      }));

    // Differs: refused at once with CONSUMER_CLOSED, where waiting for a timeout would tell the caller nothing more.
    it("S-13 a commit after the shutdown is refused at once", async () => {
      const { control, messages } = gather(kafka);
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 0, 1));
      await until(() => messages.length === 1, "a message");
      await control.shutdown();
      const { owner, topic, partition, offset, epoch, metadata } = messages[0]!.offset;
      const error = await rejectionOf(owner.commit([{ topic, partition, position: offset + 1, epoch, metadata }]));
      expect(error).to.be.instanceOf(KafkaConnectorError).and.include({ code: "CONSUMER_CLOSED" });
      expect(kafka.client.of("commit")).to.have.length(0);
    });

    it("S-13 a commit after stop() alone is still served", () =>
      assertAllClosed(async () => {
        const busy = new Latch();
        const control = source(kafka)
          .mapAsync(1, async (message) => {
            await busy.opened;
            return message.offset;
          })
          .toMat(committerSink(), DrainingControl.from)
          .run();
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 0, 1));
        await until(() => kafka.client.waiting === 0, "the record to be fetched");
        await new Promise((resolve) => setImmediate(resolve));
        await control.stop();
        busy.open();
        await control.drainAndShutdown();
        expect(kafka.client.of("commit").map(({ positions }) => positions)).to.deep.equal([[{ ...p0, offset: 1 }]]);
      }));

    it("S-14 keep the consumer alive after downstream has cancelled", () =>
      assertAllClosed(async () => {
        const control = source(kafka)
          .take(1)
          .map((message) => message.offset)
          .toMat(committerSink(), DrainingControl.from)
          .run();
        await kafka.client.assign(p0);
        kafka.client.onCommit = () => undefined;
        kafka.client.give(records("t", 0, 0, 3));
        await until(() => kafka.client.commits.length === 1, "a commit");
        await morePolls(kafka.client, 2);
        expect(kafka.client.closed).to.equal(false);
        kafka.client.commits[0]!.acknowledge();
        await control.isShutdown;
        expect(kafka.client.of("close")).to.deep.equal([{ call: "close", commitInFlight: false }]);
      }));
  });
});
