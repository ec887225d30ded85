import { KafkaConnectorError, type Restart, restarting } from "@millrace/kafka";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { p0, p1 } from "../support/pipelines.js";
import { errorOf, morePolls, rejectionOf, until } from "../support/until.js";
import { Latch } from "../../../../test/support/latch.js";
import { Bench, broken } from "./support.js";
import { numbered } from "../../src/client/codes.js";

describe("restarting", () => {
  let bench: Bench;
  beforeEach(() => {
    bench = new Bench();
  });
  afterEach(() => bench.kafka.verify());

  describe("ends", () => {
    it("before it begins, when its settings contradict each other", () => {
      const run = (): unknown => restarting({ minBackoffMs: 2, maxBackoffMs: 1 }, bench.graph);
      expect(errorOf(run)).to.include({ code: "INVALID_SETTINGS" });
      expect(errorOf(() => restarting({ max: 1 } as object, bench.graph))).to.include({ code: "INVALID_SETTINGS" });
    });

    it("at run with what the first call of its factory throws", () => {
      bench.thrown = new TypeError("mistake");
      expect(errorOf(() => bench.run())).to.equal(bench.thrown);
    });

    it("with a failure that no restart mends, untouched", () =>
      assertAllClosed(async () => {
        const control = bench.run();
        const failure = broken("INVALID_SETTINGS");
        await bench.fail(1, failure);
        expect(await rejectionOf(control.streamCompletion)).to.equal(failure);
        expect(await rejectionOf(control.isShutdown)).to.equal(failure);
        expect(await rejectionOf(control.drainAndShutdown())).to.equal(failure);
        expect(bench.kafka.consumers).to.have.length(1);
      }));

    it("with a record that cannot be decoded, which would be the same again", () =>
      assertAllClosed(async () => {
        bench.value = {
          decode: () => {
            throw new TypeError("no number");
          },
        };
        const control = bench.run();
        await bench.give(3, 1);
        const failure = await rejectionOf(control.streamCompletion);
        expect(failure).to.include({ code: "DESERIALIZATION_FAILED" });
        expect((failure as Error).message).to.include("t[0]@3");
        expect(bench.kafka.consumers).to.have.length(1);
      }));

    it("when another member has its id, whom a restart would fence in turn", () =>
      assertAllClosed(async () => {
        const control = bench.run();
        const fenced = new KafkaConnectorError("CLIENT_FAILED", "fenced", { ...numbered(82), fatal: true });
        await bench.fail(1, fenced);
        expect(await rejectionOf(control.streamCompletion)).to.equal(fenced);
      }));

    it("after 20 restarts without progress by default, naming the record in the way", () =>
      assertAllClosed(async () => {
        bench.handle = (name) => (name === "0@1" ? Promise.reject(new Error("handler")) : undefined);
        const control = bench.run({ maxBackoffMs: 100, healthyMs: 50 });
        for (let number = 1; number <= 21; number++) {
          await bench.give(number === 1 ? 0 : 1, 2);
          // It lives long, which is no progress while the record stands in the way.
          await bench.clock.advance(60);
          await bench.waiting(number);
          await bench.clock.advance(100);
        }
        const failure = await rejectionOf(control.streamCompletion);
        expect(failure).to.include({ code: "RESTARTS_EXHAUSTED" });
        expect((failure as Error).message)
          .to.include("after 20 restarts")
          .and.include("t[0]@1");
        expect(bench.committed()).to.equal(undefined);
      }));

    it("when its factory throws what cannot mend, later on", () =>
      assertAllClosed(async () => {
        const control = bench.run();
        await bench.fail(1);
        bench.thrown = broken("UNSAFE_GRAPH");
        await bench.clock.advance(100);
        expect(await rejectionOf(control.streamCompletion)).to.equal(bench.thrown);
      }));

    it("where restartOn says no", () =>
      assertAllClosed(async () => {
        const control = bench.run({ restartOn: (failure) => failure !== bench.thrown });
        await bench.fail(1);
        bench.thrown = new TypeError("not again");
        await bench.clock.advance(100);
        expect(await rejectionOf(control.streamCompletion)).to.equal(bench.thrown);
      }));

    it("after so many restarts in a row, with the last failure as the cause", () =>
      assertAllClosed(async () => {
        const control = bench.run({ maxRestarts: 2 });
        await bench.fail(1);
        await bench.clock.advance(100);
        await bench.fail(2);
        await bench.clock.advance(200);
        const last = broken();
        await bench.fail(3, last);
        expect(await rejectionOf(control.streamCompletion)).to.include({ code: "RESTARTS_EXHAUSTED", cause: last });
        expect(control).to.include({ restarts: 2, lastFailure: last, state: "waiting" });
        expect(control.assignment()).to.deep.equal([]);
      }));

    it("when a client does not close, which would compete with the next one", () =>
      assertAllClosed(async () => {
        const closing = new Latch();
        bench.kafka.onConsumer = (consumer) => {
          const close = consumer.close.bind(consumer);
          consumer.close = async () => {
            await close();
            await closing.opened;
          };
        };
        const control = bench.run({ closeTimeoutMs: 1000 });
        const failure = broken();
        await bench.fail(1, failure);
        await bench.clock.advance(2000);
        expect(await rejectionOf(control.streamCompletion)).to.include({ code: "CLOSE_TIMEOUT", cause: failure });
        expect(bench.kafka.consumers).to.have.length(1);
        closing.open();
      }));

    it("with the failure of the run that was stopped or drained", () =>
      assertAllClosed(async () => {
        const failure = new Error("handler");
        const held = new Latch();
        bench.handle = () => held.opened;
        const control = bench.run();
        await bench.give(0, 1);
        await until(() => bench.seen.length === 1, "a record");
        const drained = rejectionOf(control.drainAndShutdown());
        held.fail(failure);
        expect(await drained).to.equal(failure);
        expect(await rejectionOf(control.streamCompletion)).to.equal(failure);
        await bench.clock.advance(60_000);
        expect(bench.kafka.consumers).to.have.length(1);
      }));
  });

  describe("is ended", () => {
    it("by a stop during the back-off, at once and without a result", () =>
      assertAllClosed(async () => {
        const control = bench.run();
        await bench.fail(1);
        expect(control.state).to.equal("waiting");
        await control.stop();
        expect(await control.streamCompletion).to.equal(undefined);
        await control.isShutdown;
        expect(bench.clock.pending).to.equal(0);
      }));

    it("by a drain during the back-off, whose report says what the next one reads again", () =>
      assertAllClosed(async () => {
        bench.handle = (name) => (name === "0@1" ? Promise.reject(new Error("handler")) : undefined);
        const control = bench.run();
        await bench.give(0, 2);
        await bench.waiting(1);
        const report = await control.drainAndShutdown();
        expect(report).to.deep.include({ result: undefined, delivered: 2 });
        expect(report.abandoned).to.be.greaterThan(0);
        expect(report.expectedReplays).to.be.greaterThan(0);
      }));

    it("by a drain while a run starts", () =>
      assertAllClosed(async () => {
        const connecting = new Latch();
        const control = bench.run();
        await bench.fail(1);
        bench.kafka.onConsumer = (consumer) => {
          consumer.connecting = connecting.opened;
        };
        await bench.clock.advance(100);
        expect(control).to.include({ restarts: 1, state: "running" });
        const drained = control.drainAndShutdown();
        connecting.open();
        expect(await drained).to.include({ delivered: 0 });
        expect(bench.kafka.consumers).to.have.length(2);
      }));

    it("by a stop while a run that failed closes, once it is closed", () =>
      assertAllClosed(async () => {
        const closing = new Latch();
        bench.kafka.onConsumer = (consumer) => {
          const close = consumer.close.bind(consumer);
          consumer.close = async () => {
            await closing.opened;
            await close();
          };
        };
        const control = bench.run();
        bench.kafka.client.listener.onError(broken());
        await until(() => control.state === "waiting", "the failure");
        await control.stop();
        let shut = false;
        void control.isShutdown.then(() => (shut = true));
        await bench.clock.advance(10);
        expect(shut).to.equal(false);
        closing.open();
        expect(await control.streamCompletion).to.equal(undefined);
        await control.isShutdown;
      }));

    it("by onRestart, before there is any delay", () =>
      assertAllClosed(async () => {
        const control = bench.run({ onRestart: () => void control.stop() });
        await bench.fail(1);
        expect(await control.streamCompletion).to.equal(undefined);
        expect(bench.clock.pending).to.equal(0);
      }));

    it("when a run completes, with its result and one report over all", () =>
      assertAllClosed(async () => {
        bench.handle = (name) =>
          name === "0@1" && bench.kafka.consumers.length === 1 ? Promise.reject(new Error("handler")) : undefined;
        const control = bench.run();
        await bench.give(0, 2);
        await bench.waiting(1);
        await bench.clock.advance(100);
        await bench.give(1, 2);
        await until(() => bench.committed() === 3, "the commit");
        const report = await control.drainAndShutdown();
        await control.streamCompletion;
        await control.isShutdown;
        expect(report).to.include({ delivered: 4 });
        expect(report.partitions.map(({ committed }) => committed)).to.deep.equal([3]);
        expect(control.report()).to.deep.equal(report.partitions);
        expect(control.metrics()).to.include({ delivered: 4, assignedPartitions: 0, inFlight: 0 });
        expect(await control.drainAndShutdown()).to.include({ delivered: 4 });
      }));
  });

  describe("goes on", () => {
    it("with a new graph, from what is committed, as often as it fails", () =>
      assertAllClosed(async () => {
        const restarts: Restart[] = [];
        const control = bench.run({ onRestart: (restart) => restarts.push(restart) });
        const failures = [broken(), new Error("cannot be built"), broken()];
        await bench.fail(1, failures[0]);
        bench.thrown = failures[1];
        await bench.clock.advance(100);
        bench.thrown = undefined;
        await bench.clock.advance(200);
        await bench.fail(2, failures[2]);
        await bench.clock.advance(400);
        await bench.give(7, 1);
        await until(() => bench.committed() === 8, "the commit");
        expect(restarts).to.deep.equal(
          [100, 200, 400].map((delayMs, index) => ({ number: index + 1, cause: failures[index], delayMs })),
        );
        expect(control).to.include({ restarts: 3, lastFailure: failures[2], state: "running" });
        await control.drainAndShutdown();
      }));

    it("as long as each run commits more than those before it", () =>
      assertAllClosed(async () => {
        const control = bench.run({ maxRestarts: 1 });
        for (let number = 1; number <= 5; number++) {
          await bench.give(number, 1);
          await until(() => bench.committed() === number + 1, "the commit");
          await bench.fail(number);
          await bench.clock.advance(3200);
        }
        expect(control).to.include({ restarts: 5, state: "running" });
        await control.drainAndShutdown();
      }));

    it("only once the former client is closed, although a branch of the graph goes on", () =>
      assertAllClosed(async () => {
        const held = new Latch();
        const closing = new Latch();
        bench.kafka.onConsumer = (consumer) => {
          const close = consumer.close.bind(consumer);
          consumer.close = async () => {
            await closing.opened;
            await close();
          };
        };
        bench.handle = (name) => (name === "0@0" ? Promise.reject(new Error("handler")) : held.opened);
        const control = bench.run();
        await bench.give(0, 2);
        await until(() => control.state === "waiting", "the failure");
        await bench.clock.advance(5000);
        expect(bench.kafka.consumers).to.have.length(1);
        closing.open();
        await bench.waiting(1);
        await bench.clock.advance(100);
        expect(bench.kafka.consumers).to.have.length(2);
        held.open();
        await control.drainAndShutdown();
      }));

    it("with the shortest delay, and all its restarts, after a healthy time", () =>
      assertAllClosed(async () => {
        const delays: number[] = [];
        const onRestart = ({ delayMs }: Restart): void => void delays.push(delayMs);
        const control = bench.run({ onRestart, maxRestarts: 2, healthyMs: 5000 });
        await bench.fail(1);
        await bench.clock.advance(100);
        await bench.clock.advance(4000);
        await bench.fail(2);
        await bench.clock.advance(200);
        await bench.clock.advance(5000);
        await bench.fail(3);
        expect(delays).to.deep.equal([100, 200, 100]);
        await control.stop();
      }));

    it("after a delay with some chance in it, up to a bound", () =>
      assertAllClosed(async () => {
        const delays: number[] = [];
        const onRestart = ({ delayMs }: Restart): void => void delays.push(delayMs);
        const control = bench.run({ onRestart, maxBackoffMs: 150, randomFactor: 0.5, random: () => 0.5 });
        await bench.fail(1);
        await bench.clock.advance(125);
        await bench.fail(2);
        expect(delays).to.deep.equal([125, 187.5]);
        await control.stop();
      }));

    it("although onRestart throws", () =>
      assertAllClosed(async () => {
        const control = bench.run({
          onRestart: () => {
            throw new Error("metrics");
          },
        });
        await bench.fail(1);
        await bench.clock.advance(100);
        expect(bench.kafka.consumers).to.have.length(2);
        await control.drainAndShutdown();
      }));
  });

  describe("has one control, which", () => {
    it("keeps what the user has paused, and delivers nothing of it", () =>
      assertAllClosed(async () => {
        const control = bench.run();
        control.pause([p0]);
        await bench.fail(1);
        control.pause();
        control.resume([p1]);
        await bench.clock.advance(100);
        await bench.kafka.client.assign(p0, p1);
        bench.kafka.client.give([
          { ...p0, offset: 0, value: "paused" },
          { ...p1, offset: 0, value: "resumed" },
        ]);
        await until(() => bench.seen.length > 0, "a record");
        await morePolls(bench.kafka.client, 3);
        expect(bench.seen).to.deep.equal(["2: 1@0"]);
        control.resume();
        await until(() => bench.seen.length === 2, "the other");
        await control.drainAndShutdown();
      }));

    it("has no partitions between two runs, refuses to seek, and says why", () =>
      assertAllClosed(async () => {
        const control = bench.run();
        await bench.give(0, 1);
        expect(control.assignment()).to.deep.equal([p0]);
        await bench.fail(1);
        expect(control.assignment()).to.deep.equal([]);
        expect(await control.lag()).to.deep.equal([]);
        expect(control.explain()).to.deep.include({ state: "closed", partitions: [] });
        expect(control.explain().toString()).to.include("0 restarts, the last failure: broken").and.include("waiting");
        const refused = { code: "SEEK_FAILED", retriable: true };
        expect(await rejectionOf(control.seek([{ ...p0, offset: 0 }]))).to.include(refused);
        expect(await rejectionOf(control.replayFrom(0))).to.include(refused);
        await control.stop();
      }));

    it("steers the present run", () =>
      assertAllClosed(async () => {
        const control = bench.run();
        await bench.fail(1);
        await bench.clock.advance(100);
        await bench.kafka.client.assign(p0);
        await control.seek([{ ...p0, offset: 5 }]);
        bench.kafka.client.onTimes = () => [{ ...p0, offset: 3 }];
        expect(await control.replayFrom(1)).to.deep.equal([{ ...p0, offset: 3 }]);
        expect(bench.kafka.client.of("seek").map(({ positions }) => positions[0]?.offset)).to.deep.equal([5, 3]);
        expect(control.explain().toString()).to.match(/^1 restarts, .*\nconsumer running/);
        expect((await control.lag()).map(({ topic, partition }) => ({ topic, partition }))).to.deep.equal([p0]);
        await control.drainAndShutdown();
      }));
  });
});
