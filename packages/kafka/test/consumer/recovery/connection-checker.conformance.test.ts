import { ConnectionFailedError, committableSource, committerSink, DrainingControl } from "@millrace/kafka";
import { Sink } from "@millrace/streams";
import { assertAllClosed, type VirtualClock, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../../support/fake-chunk.js";
import { FakeKafka } from "../../support/fake-kafka.js";
import { rejectionOf, until } from "../../support/until.js";
import { Latch } from "../../../../../test/support/latch.js";

const NOTHING = { brokers: [], topics: [] };

describe("the connection checker", () => {
  let kafka: FakeKafka;
  let clock: VirtualClock;
  /** When the cluster was asked for. */
  let asked: number[];
  /** How each question is answered. */
  let answer: () => Promise<unknown>;
  beforeEach(() => {
    kafka = new FakeKafka();
    clock = virtualClock();
    asked = [];
    answer = () => Promise.resolve();
    kafka.onConsumer = (consumer) => {
      consumer.metadata = async () => {
        asked.push(clock.now());
        await answer();
        return NOTHING;
      };
    };
  });
  afterEach(() => kafka.verify());

  const run = (connectionChecker: object | null = {}) =>
    committableSource({ kafka: kafka.settings, topics: ["t"], ...(connectionChecker && { connectionChecker }) })
      .toMat(Sink.ignore, DrainingControl.from)
      .run({ clock });

  const failing = (): Promise<never> => Promise.reject(new Error("no broker"));

  it("B-10 waits for the answer and then for the interval before it asks again", () =>
    assertAllClosed(async () => {
      const control = run();
      const answered = new Latch();
      answer = () => answered.opened;
      await clock.advance(100_000);
      expect(asked).to.deep.equal([15_000]);
      answered.open();
      await clock.advance(14_999);
      expect(asked).to.have.length(1);
      await clock.advance(1);
      expect(asked).to.deep.equal([15_000, 115_000]);
      await control.drainAndShutdown();
      await clock.advance(100_000);
      expect(asked).to.have.length(2);
    }));

  it("B-11 asks later each time, and fails the stream after one failure more than maxRetries", () =>
    assertAllClosed(async () => {
      const control = run({ maxRetries: 2, checkIntervalMs: 100, backoffFactor: 3 });
      answer = failing;
      await clock.advance(100 + 300);
      expect(asked).to.deep.equal([100, 400]);
      await clock.advance(900);
      const error = await rejectionOf(control.streamCompletion);
      expect(error).to.be.instanceOf(ConnectionFailedError);
      expect(error).to.include({ code: "KAFKA_CONNECTION_FAILED", attempts: 3, retriable: false });
      expect((error as Error).cause)
        .to.be.an("error")
        .with.property("message", "no broker");
      await clock.advance(100_000);
      expect(asked).to.deep.equal([100, 400, 1300]);
    }));

  it("B-12 goes back to its interval, and to its number of tries, after an answer", () =>
    assertAllClosed(async () => {
      const control = run({ maxRetries: 1, checkIntervalMs: 100 });
      for (let round = 0; round < 3; round++) {
        const before = asked.length;
        answer = failing;
        await clock.advance(100);
        answer = () => Promise.resolve();
        await clock.advance(200);
        expect(asked.slice(before)).to.deep.equal([300 * round + 100, 300 * round + 300]);
      }
      await control.drainAndShutdown();
    }));

  it("B-15 reports its failure to everybody who waits: the stream, isShutdown and a drain", () =>
    assertAllClosed(async () => {
      const control = run({ maxRetries: 0, checkIntervalMs: 100 });
      answer = failing;
      await clock.advance(100);
      for (const waiting of [control.streamCompletion, control.isShutdown, control.drainAndShutdown()]) {
        expect(await rejectionOf(waiting)).to.include({ code: "KAFKA_CONNECTION_FAILED", attempts: 1 });
      }
      expect(kafka.client.of("close")).to.have.length(1);
    }));

  it("B-14 is what the stream fails with, also where its last commits get no answer either", () =>
    assertAllClosed(async () => {
      const control = committableSource({
        kafka: kafka.settings,
        topics: ["t"],
        connectionChecker: { maxRetries: 0, checkIntervalMs: 100 },
      })
        .map(({ offset }) => offset)
        .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from)
        .run({ clock });
      await until(() => kafka.client.of("subscribe").length === 1, "a subscription");
      kafka.client.onCommit = () => undefined;
      await kafka.client.assign({ topic: "t", partition: 0 });
      kafka.client.give(records("t", 0, 0, 1));
      await until(() => kafka.client.commits.length === 1, "a commit");
      answer = failing;
      await clock.advance(100);
      await clock.advance(60_000);
      expect(await rejectionOf(control.streamCompletion)).to.include({ code: "KAFKA_CONNECTION_FAILED" });
    }));

  it("Alpakka 7.3-7: goes on after a failure of any kind, not of a time-out alone", () =>
    assertAllClosed(async () => {
      const control = run({ maxRetries: 3, checkIntervalMs: 100, backoffFactor: 1 });
      const kinds = [new Error("timed out"), new TypeError("no function"), "not even an error", undefined];
      answer = () => Promise.reject(kinds[asked.length - 1]);
      await clock.advance(400);
      expect(asked).to.deep.equal([100, 200, 300, 400]);
      expect(await rejectionOf(control.streamCompletion)).to.include({ code: "KAFKA_CONNECTION_FAILED", attempts: 4 });
    }));

  it("asks nothing where it is not wanted", () =>
    assertAllClosed(async () => {
      const control = run(null);
      answer = failing;
      await until(() => kafka.client.of("poll").length > 0, "polls");
      await clock.advance(1_000_000);
      expect(asked).to.deep.equal([]);
      await control.drainAndShutdown();
    }));
});
