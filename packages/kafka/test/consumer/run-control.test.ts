import {
  committableSource,
  committerSink,
  type ConsumerRecord,
  type Control,
  DrainingControl,
  KafkaConnectorError,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import { FlowWithContext, Keep, type SourceWithContext } from "@millrace/streams";
import { assertAllClosed, settle } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../support/fake-chunk.js";
import { FakeKafka } from "../support/fake-kafka.js";
import { rejectionOf, until } from "../support/until.js";

type Rec = ConsumerRecord<string, string>;
type Followed = SourceWithContext<Rec, Control>;
type Joined = (a: Followed, b: Followed) => SourceWithContext<unknown, Control>;

const through = FlowWithContext.of<Rec>();

/** Ways by which records of `b` come into the stream of `a`, whose control alone is kept. */
const JOINED: Readonly<Record<string, Joined>> = {
  merge: (a, b) => a.merge(b),
  concat: (a, b) => a.concat(b),
  zip: (a, b) => a.zip(b),
  "merge in a branch": (a, b) => a.alsoTo(through.merge(b)),
  "concat in a branch": (a, b) => a.alsoTo(through.concat(b)),
  "merge in a group": (a, b) =>
    a
      .groupBy(1, () => "all")
      .merge(b)
      .mergeSubstreams(),
};

describe("a run with several Kafka sources", () => {
  const [a, b] = [new FakeKafka(), new FakeKafka()];
  beforeEach(() => {
    a.consumers.length = 0;
    b.consumers.length = 0;
  });
  afterEach(() => {
    a.verify();
    b.verify();
  });

  const source = (kafka: FakeKafka, topic: string): Followed =>
    sourceWithOffsetContext({ kafka: kafka.settings, topics: [topic], value: string() });
  const place = (topic: string) => ({ topic, partition: 0 });
  const committed = (kafka: FakeKafka) => kafka.client.of("commit").at(-1)?.positions;

  /** Three records of each topic are at hand; those of `a` have been seen. */
  const running = async (joined: Joined): Promise<DrainingControl<void>> => {
    const seen: unknown[] = [];
    const control = joined(
      source(a, "a").map((record) => {
        seen.push(record);
        return record;
      }),
      source(b, "b"),
    )
      .toMat(committerSink({ maxIntervalMs: 1 }), DrainingControl.from)
      .run();
    await a.client.assign(place("a"));
    a.client.give(records("a", 0, 0, 3));
    await until(() => seen.length === 3, "the records of a");
    await until(() => b.consumers.length === 1, "the client of b");
    await b.client.assign(place("b"));
    b.client.give(records("b", 0, 0, 3));
    await settle(20);
    return control;
  };

  for (const [name, joined] of Object.entries(JOINED)) {
    it(`${name}: a drain stops both, commits what came of both, and leaves nobody reading`, () =>
      assertAllClosed(async () => {
        const control = await running(joined);
        const report = await control.drainAndShutdown();
        expect(report).to.include({ abandoned: 0, expectedReplays: 0 });
        expect(report.partitions.map(({ topic }) => topic)).to.have.members(["a", "b"]);
        expect([a.client.closed, b.client.closed]).to.deep.equal([true, true]);
        expect(committed(a)).to.deep.equal([{ ...place("a"), offset: 3 }]);
        for (const { topic, processed, committed: position } of report.partitions)
          expect(position, topic).to.equal(processed === 0 ? undefined : processed);
        await control.isShutdown;
      }));
  }

  it("fails, and closes both, when one of them fails", () =>
    assertAllClosed(async () => {
      const control = await running(JOINED["merge"] as Joined);
      const failure = new KafkaConnectorError("POLL_FAILED", "gone", { fatal: true });
      b.client.failPoll(failure);
      expect(await rejectionOf(control.streamCompletion)).to.equal(failure);
      expect(await rejectionOf(control.isShutdown)).to.equal(failure);
      expect([a.client.closed, b.client.closed]).to.deep.equal([true, true]);
    }));

  it("a source whose group begins after the stop is stopped as well", () =>
    assertAllClosed(async () => {
      let go = (): void => undefined;
      const gate = new Promise<void>((resolve) => (go = resolve));
      const control = source(a, "a")
        .mapAsync(1, () => gate)
        .groupBy(1, () => "all")
        .merge(source(b, "b").map(() => undefined))
        .mergeSubstreams()
        .toMat(committerSink({ maxIntervalMs: 1 }), DrainingControl.from)
        .run();
      await a.client.assign(place("a"));
      a.client.give(records("a", 0, 0, 1));
      await settle(20);
      const drained = control.drainAndShutdown();
      go();
      expect(await drained).to.include({ processed: 1, expectedReplays: 0 });
      expect(b.client.closed).to.equal(true);
    }));

  it("of the explicit surface are drained together", () =>
    assertAllClosed(async () => {
      const offsets = (kafka: FakeKafka, topic: string) =>
        committableSource({ kafka: kafka.settings, topics: [topic] }).map(({ offset }) => offset);
      const control = offsets(a, "a")
        .merge(offsets(b, "b"))
        .toMat(committerSink({ maxIntervalMs: 1 }), DrainingControl.from)
        .run();
      await a.client.assign(place("a"));
      await b.client.assign(place("b"));
      a.client.give(records("a", 0, 0, 2));
      b.client.give(records("b", 0, 0, 2));
      await until(() => Boolean(committed(a) && committed(b)), "commits of both");
      expect(await control.drainAndShutdown()).to.include({ delivered: 4, processed: 4 });
      expect([a.client.closed, b.client.closed]).to.deep.equal([true, true]);
    }));

  describe("are steered as one by DrainingControl", () => {
    let control: DrainingControl<void>;
    beforeEach(async () => {
      control = await running(JOINED["merge"] as Joined);
    });
    afterEach(() => control.drainAndShutdown());

    it("which reports all of them", async () => {
      expect(control.assignment()).to.have.deep.members([place("a"), place("b")]);
      expect(control.report().map(({ topic }) => topic)).to.have.members(["a", "b"]);
      expect(control.metrics()).to.include({ assignedPartitions: 2, delivered: 6 });
      expect(control.explain()).to.include({ state: "running" }).and.property("partitions").to.have.length(2);
      expect(String(control.explain())).to.match(/a\[0\][\s\S]*b\[0\]/);
      expect((await control.lag()).map(({ topic }) => topic)).to.have.members(["a", "b"]);
    });

    it("which seeks each where it is assigned, and rejects where nobody is", async () => {
      await control.seek([
        { ...place("b"), offset: 1 },
        { ...place("a"), offset: 2 },
      ]);
      expect(a.client.of("seek").at(-1)?.positions).to.deep.equal([{ ...place("a"), offset: 2 }]);
      expect(b.client.of("seek").at(-1)?.positions).to.deep.equal([{ ...place("b"), offset: 1 }]);
      const nowhere = { topic: "c", partition: 0, offset: 0 };
      expect(await rejectionOf(control.seek([nowhere]))).to.include({ code: "SEEK_FAILED" });
    });

    it("which pauses and resumes all", () => {
      const states = () => control.explain().partitions.map(({ state }) => state);
      control.pause();
      expect(states()).to.deep.equal(["pausedByUser", "pausedByUser"]);
      control.resume();
      expect(states()).not.to.include("pausedByUser");
    });
  });

  it("each keep their own control by mergeMat, which stops its source alone until a drain", () =>
    assertAllClosed(async () => {
      const [[ofA, ofB], done] = source(a, "a")
        .mergeMat(source(b, "b"), Keep.both)
        .toMat(committerSink(), Keep.both)
        .run();
      await ofA.stop();
      await settle(20);
      expect([a.client.closed, b.client.closed]).to.deep.equal([false, false]);
      expect([ofA.explain().state, ofB.explain().state]).to.deep.equal(["stopped", "running"]);
      await ofA.drainAndShutdown(done);
      expect([a.client.closed, b.client.closed]).to.deep.equal([true, true]);
    }));
});
