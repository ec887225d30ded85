import {
  committableSource,
  committerFlow,
  committerSink,
  type Control,
  type ConsumerRecord,
  type DrainError,
  DrainingControl,
  plainSource,
  string,
} from "@millrace/kafka";
import { Flow, FlowWithContext, Join, Keep, Sink, type Source, type SourceWithContext } from "@millrace/streams";
import { assertAllClosed, settle } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../../support/fake-chunk.js";
import { FakeKafka } from "../../support/fake-kafka.js";
import { FollowedRig } from "../../support/followed-rig.js";
import { Gate } from "../../../../../test/support/gate.js";
import { p0 } from "../../support/pipelines.js";
import { rejectionOf, until } from "../../support/until.js";

type Rec = ConsumerRecord<string, string>;
type Branch = FlowWithContext<Rec, unknown>;
type Followed = SourceWithContext<Rec, Control>;
type Fork = (source: Followed, branch: Branch) => SourceWithContext<unknown, Control>;

const through = FlowWithContext.of<Rec>();

/** Each sends every record into `branch`, which does not hold back what comes to the committer otherwise. */
const FOLLOWED: Readonly<Record<string, Fork>> = {
  alsoTo: (source, branch) => source.alsoTo(branch),
  alsoToMat: (source, branch) => source.alsoToMat(branch, Keep.left),
  "alsoTo, before a filter": (source, branch) => source.alsoTo(branch).filter(() => false),
  divertTo: (source, branch) => source.divertTo(branch, () => true),
  "alsoTo in the branch of an alsoTo": (source, branch) => source.alsoTo(through.alsoTo(branch)),
  "divertTo in the branch of an alsoTo": (source, branch) => source.alsoTo(through.divertTo(branch, () => true)),
  "alsoTo in a flow of broadcast": (source, branch) =>
    source.broadcast([through, through.alsoTo(branch)], Join.merge()),
  "divertTo in a flow of partition": (source, branch) =>
    source.partition([through, through.divertTo(branch, () => true)], () => 1, Join.merge()),
  "a flow of broadcast that gives nothing": (source, branch) =>
    source.broadcast([through, branch.filter(() => false)], Join.merge()),
  "alsoTo in groups": (source, branch) =>
    source
      .groupBy(10, ({ offset }) => offset)
      .alsoTo(branch)
      .mergeSubstreams(),
  "two of alsoTo": (source, branch) => source.alsoTo(through).alsoTo(branch),
};

const offsets = ["0@0", "0@1", "0@2"] as const;

describe("the end of a run", () => {
  let rig: FollowedRig;
  beforeEach(() => {
    rig = new FollowedRig();
  });
  afterEach(() => rig.kafka.verify());

  describe("with context", () => {
    /** Three records in the branch, whose source has ended. */
    const stopped = async (fork: Fork): Promise<DrainingControl<void>> => {
      const branch = through.mapAsync(10, ({ partition, offset }) => rig.gate.pass(`${partition}@${offset}`));
      const control = fork(rig.source(), branch)
        .toMat(committerSink({ maxIntervalMs: 1 }), DrainingControl.from)
        .run();
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 3));
      await rig.started(3);
      await control.stop();
      await settle(5);
      return control;
    };

    for (const [name, fork] of Object.entries(FOLLOWED)) {
      it(`${name}: a branch that fails after the rest has ended fails stream, shutdown and drain`, () =>
        assertAllClosed(async () => {
          const control = await stopped(fork);
          const failure = new Error("branch");
          const drained = rejectionOf(control.drainAndShutdown());
          rig.gate.open("0@0");
          await settle(5);
          rig.gate.fail("0@1", failure);
          rig.gate.open("0@2");
          expect(await drained).to.equal(failure);
          expect(await rejectionOf(control.streamCompletion)).to.equal(failure);
          expect(await rejectionOf(control.isShutdown)).to.equal(failure);
          expect(rig.last()).to.deep.equal([[0, 1]]);
        }));

      it(`${name}: nothing settles before the branch is done and committed`, () =>
        assertAllClosed(async () => {
          const control = await stopped(fork);
          const settled: string[] = [];
          const drained = control.drainAndShutdown().finally(() => settled.push("drain"));
          void control.streamCompletion.finally(() => settled.push("stream"));
          void control.isShutdown.finally(() => settled.push("shutdown"));
          rig.gate.open("0@0", "0@2");
          await settle(20);
          expect(settled).to.deep.equal([]);
          rig.gate.open("0@1");
          await control.streamCompletion;
          expect(rig.last()).to.deep.equal([[0, 3]]);
          expect(await drained).to.include({ delivered: 3, abandoned: 0, expectedReplays: 0 });
          await control.isShutdown;
        }));
    }

    it("a branch that does not end is named by the drain, which rejects at its deadline", () =>
      assertAllClosed(async () => {
        const control = await stopped((source, branch) => source.alsoTo(branch));
        const error = (await rejectionOf(control.drainAndShutdown({ timeoutMs: 1 }))) as DrainError;
        expect(error.code).to.equal("DRAIN_INCOMPLETE");
        expect(error.message).to.match(
          /did not finish within 1 ms[\s\S]*waits for offset 0[\s\S]*last seen in mapAsync/,
        );
        expect(await rejectionOf(control.streamCompletion), "what ended it").to.equal(error);
        rig.gate.open(...offsets);
      }));

    it("a branch that fails while the rest goes on ends the stream at once", () =>
      assertAllClosed(async () => {
        const control = rig
          .source()
          .alsoTo(through.mapAsync(10, ({ partition, offset }) => rig.gate.pass(`${partition}@${offset}`)))
          .toMat(committerSink(), DrainingControl.from)
          .run();
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 0, 1));
        await rig.started(1);
        const failure = new Error("branch");
        rig.gate.fail("0@0", failure);
        expect(await rejectionOf(control.streamCompletion)).to.equal(failure);
        expect(await rejectionOf(control.isShutdown)).to.equal(failure);
      }));
  });

  describe("on the other surfaces", () => {
    let kafka: FakeKafka;
    let gate: Gate;
    beforeEach(() => {
      kafka = new FakeKafka();
      gate = new Gate();
    });
    afterEach(() => kafka.verify());

    const settings = () => ({ kafka: kafka.settings, topics: ["t"], value: string() });
    const slow = (): Sink<unknown, void> =>
      Flow.of<unknown>()
        .mapAsync(10, () => gate.pass("side"))
        .to(Sink.ignore);
    const commits = (): Source<unknown, Control> =>
      committableSource(settings())
        .map(({ offset }) => offset)
        .via(committerFlow({ maxIntervalMs: 1 }));

    const PLAIN: Readonly<Record<string, () => Source<unknown, Control>>> = {
      "plainSource, alsoTo": () => plainSource(settings()).alsoTo(slow()),
      "plainSource, divertTo": () => plainSource(settings()).divertTo(slow(), () => true),
      "plainSource, alsoToMat": () => plainSource(settings()).alsoToMat(slow(), Keep.left),
      "committerFlow, alsoTo": () => commits().alsoTo(slow()),
      "committerFlow, divertTo": () => commits().divertTo(slow(), () => true),
    };

    for (const [name, source] of Object.entries(PLAIN)) {
      for (const fails of [false, true]) {
        it(`${name}: a side sink that ${fails ? "fails late is heard of" : "is slow is waited for"}`, () =>
          assertAllClosed(async () => {
            let settled = false;
            const control = source().toMat(Sink.ignore, DrainingControl.from).run();
            await kafka.client.assign(p0);
            kafka.client.give(records("t", 0, 0, 1));
            await until(() => gate.started.length === 1, "work beside the stream");
            const failure = new Error("side");
            const drained = control.drainAndShutdown();
            const end = fails ? rejectionOf(drained) : drained;
            void end.then(() => (settled = true));
            await settle(20);
            expect(settled).to.equal(false);
            if (fails) gate.fail("side", failure);
            else gate.open("side");
            const ended = await end;
            if (fails) expect(ended).to.equal(failure);
            else expect(ended).to.include({ expectedReplays: 0 });
          }));
      }
    }
  });
});
