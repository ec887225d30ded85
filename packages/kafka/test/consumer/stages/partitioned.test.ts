import {
  committerSink,
  DrainingControl,
  type FollowedSettings,
  partitionedSourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import { Flow, Sink } from "@millrace/streams";
import { assertAllClosed, settle } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../../support/fake-chunk.js";
import { FakeKafka } from "../../support/fake-kafka.js";
import { Gate } from "../../../../../test/support/gate.js";
import { p0, p1 } from "../../support/pipelines.js";
import { errorOf, rejectionOf, until } from "../../support/until.js";

describe("a partitioned source with offset context", () => {
  let kafka: FakeKafka;
  let gate: Gate;
  beforeEach(() => {
    kafka = new FakeKafka();
    gate = new Gate();
  });
  afterEach(() => kafka.verify());

  const source = (settings: Partial<FollowedSettings<string, string>> = {}) =>
    partitionedSourceWithOffsetContext({ kafka: kafka.settings, topics: ["t"], value: string(), ...settings });

  /** Runs every partition's source; `gate` says when a record is done. */
  const run = (settings: Partial<FollowedSettings<string, string>> = {}) =>
    source(settings)
      .mapAsyncUnordered(10, (each) =>
        each.source
          .mapAsync(1, ({ partition, offset }) => gate.pass(`${partition}@${offset}`))
          .toMat(committerSink({ maxIntervalMs: 1 }), (_, done) => done)
          .run(),
      )
      .toMat(Sink.ignore, DrainingControl.from)
      .run();

  const committed = (partition: number): number | undefined =>
    kafka.client
      .of("commit")
      .flatMap(({ positions }) => positions)
      .filter((each) => each.partition === partition)
      .at(-1)?.offset;
  const started = (count: number): Promise<void> => until(() => gate.started.length === count, `${count} started`);

  it("fails with a partition that fails", () =>
    assertAllClosed(async () => {
      const control = run();
      await kafka.client.assign(p0, p1);
      kafka.client.give([...records("t", 0, 0, 1), ...records("t", 1, 0, 1)]);
      await started(2);
      const failure = new Error("handler");
      gate.fail("0@0", failure);
      expect(await rejectionOf(control.streamCompletion)).to.equal(failure);
      await control.isShutdown.catch(() => undefined);
      expect(committed(0)).to.equal(undefined);
      gate.open("1@0");
    }));

  it("refuses to run the source of a partition twice", () =>
    assertAllClosed(async () => {
      const errors: unknown[] = [];
      const control = source()
        .map((each) => {
          const graph = each.source.toMat(committerSink(), (_, done) => done);
          void graph.run();
          errors.push(errorOf(() => graph.run()));
        })
        .toMat(Sink.ignore, DrainingControl.from)
        .run();
      await kafka.client.assign(p0);
      await until(() => errors.length === 1, "an error");
      expect(errors[0]).to.include({ code: "SOURCE_REUSED" });
      await control.drainAndShutdown();
    }));

  it("is drained only when the streams of its partitions have ended, side branches too, and fails with one that fails late", () =>
    assertAllClosed(async () => {
      for (const fails of [false, true]) {
        gate = new Gate();
        const control = source()
          .map((each) => {
            const side = Flow.of<unknown>()
              .mapAsync(1, () => gate.pass("side"))
              .to(Sink.ignore);
            void each.source.discardContext().alsoTo(side).runWith(Sink.ignore);
          })
          .toMat(Sink.ignore, DrainingControl.from)
          .run();
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 0, 1));
        await started(1);
        let settled = false;
        const drained = control.drainAndShutdown();
        const failure = new Error("side");
        const end = fails ? rejectionOf(drained) : drained;
        void end.then(() => (settled = true));
        await settle(20);
        expect(settled).to.equal(false);
        if (fails) gate.fail("side", failure);
        else gate.open("side");
        if (fails) expect(await end).to.equal(failure);
        else expect(await end).to.include({ delivered: 1 });
      }
    }));

  it("delivers a partition while another one is stuck", () =>
    assertAllClosed(async () => {
      const control = run({ maxBufferedRecords: 4 });
      await kafka.client.assign(p0, p1);
      kafka.client.give(records("t", 0, 0, 8));
      await started(1);
      await until(() => kafka.client.paused.size === 1, "the stuck one to be paused");
      for (let offset = 0; offset < 20; offset++) {
        kafka.client.give(records("t", 1, offset, 1));
        await until(() => gate.started.includes(`1@${offset}`), `record ${offset} of the other`);
        gate.open(`1@${offset}`);
      }
      await until(() => committed(1) === 20, "a commit of the other");
      for (let offset = 0; offset < 8; offset++) {
        await until(() => gate.started.includes(`0@${offset}`), `record ${offset}`);
        gate.open(`0@${offset}`);
      }
      await until(() => committed(0) === 8, "a commit");
      await control.drainAndShutdown();
    }));

  it("completes the source of a revoked partition once its records are finished, and opens one for the next assignment", () =>
    assertAllClosed(async () => {
      const control = run();
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 0, 1));
      await started(1);
      const revoked = kafka.client.revoke(p0);
      gate.open("0@0");
      await revoked;
      expect(committed(0)).to.equal(1);
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 1, 1));
      await started(2);
      gate.open("0@1");
      await until(() => committed(0) === 2, "a commit");
      expect(await control.drainAndShutdown()).to.include({ delivered: 2, processed: 2, expectedReplays: 0 });
    }));
});
