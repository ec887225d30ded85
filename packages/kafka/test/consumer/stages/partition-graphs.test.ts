import {
  checkGraph,
  committablePartitionedManualOffsetSource,
  committablePartitionedSource,
  committableSource,
  type CommittableMessage,
  committerSink,
  DrainingControl,
  partitionedSourceWithOffsetContext,
  plainPartitionedManualOffsetSource,
  plainPartitionedSource,
  restarting,
} from "@millrace/kafka";
import { Keep, type Logger, type RunnableGraph, Sink, type Source, Supervision } from "@millrace/streams";
import { assertAllClosed, type VirtualClock, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../../support/fake-chunk.js";
import { FakeKafka } from "../../support/fake-kafka.js";
import { Gate } from "../../../../../test/support/gate.js";
import { p0, p1 } from "../../support/pipelines.js";
import { errorOf, rejectionOf, until } from "../../support/until.js";

type Bytes = Buffer | null;
type Messages<Mat> = Source<CommittableMessage<string, Bytes>, Mat>;
type Explicit = Messages<void>;
type ExplicitGraph = (source: Explicit) => RunnableGraph<Promise<void>>;

const offsetsOf = <Mat>(source: Messages<Mat>) => source.map(({ offset }) => offset);
const safe: ExplicitGraph = (source) => offsetsOf(source).toMat(committerSink(), Keep.right);
const unordered: ExplicitGraph = (source) =>
  offsetsOf(source)
    .mapAsyncUnordered(2, (offset) => Promise.resolve(offset))
    .toMat(committerSink(), Keep.right);
const filtering: ExplicitGraph = (source) => offsetsOf(source.filter(() => true)).toMat(committerSink(), Keep.right);

/** In small steps: the fake answers a commit in a real turn, and a jump of the clock would time it out first. */
const drain = async (control: DrainingControl<unknown>, clock: VirtualClock): Promise<void> => {
  let settled = false;
  const drained = control.drainAndShutdown().finally(() => (settled = true));
  drained.catch(() => undefined);
  while (!settled) {
    await clock.advance(10);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await drained;
};

describe("a partitioned source with the graph of a partition", () => {
  let kafka: FakeKafka;
  let gate: Gate;
  let logged: { readonly level: string; readonly message: string }[];
  beforeEach(() => {
    kafka = new FakeKafka();
    gate = new Gate();
    logged = [];
  });
  afterEach(() => kafka.verify());

  const settings = () => {
    const log = (level: string) => (message: string) => void logged.push({ level, message });
    const logger: Logger = { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") };
    return { kafka: { ...kafka.settings, logger }, topics: ["t"] } as const;
  };
  const manual = () => ({ ...settings(), getOffsetsOnAssign: () => Promise.resolve([]) });
  const ended = <T>(source: Source<T, Parameters<typeof DrainingControl.from>[0]>) =>
    source.toMat(Sink.ignore, DrainingControl.from);

  const EXPLICIT = {
    committablePartitionedSource: (graph: ExplicitGraph) => ended(committablePartitionedSource(settings(), graph)),
    committablePartitionedManualOffsetSource: (graph: ExplicitGraph) =>
      ended(committablePartitionedManualOffsetSource(manual(), graph)),
  } as const;

  describe("is checked before it runs:", () => {
    for (const [name, of] of Object.entries(EXPLICIT)) {
      it(`${name} refuses a graph that loses order, and has opened no client`, () => {
        const graph = of(unordered);
        expect(checkGraph(graph).hazards.map(({ code, source }) => `${code} ${source}`)).to.deep.equal([
          `ORDER_LOST ${name}(t)`,
        ]);
        expect(errorOf(() => graph.run())).to.include({ code: "UNSAFE_GRAPH" });
        expect(kafka.consumers).to.deep.equal([]);
      });

      it(`${name} runs it for a reason, which goes with each partition`, () =>
        assertAllClosed(async () => {
          const control = of(unordered).run({ unsafe: "scores may be lost" });
          await kafka.client.assign(p0);
          kafka.client.give(records("t", 0, 0, 2));
          await until(() => kafka.client.of("commit").length > 0, "a commit");
          expect(logged.filter(({ level }) => level === "warn").map(({ message }) => message)).to.have.length(1);
          expect(logged[0]?.message).to.include("run all the same: scores may be lost");
          await control.drainAndShutdown();
        }));
    }

    it("two committers of a partition with context are refused", () => {
      const graph = partitionedSourceWithOffsetContext(settings(), (source) =>
        source.alsoTo(committerSink().withContext.sink as never).toMat(committerSink(), (_, done) => done),
      );
      expect(checkGraph(ended(graph)).hazards.map(({ code }) => code)).to.deep.equal(["TWO_COMMITTERS"]);
    });

    it("its notes are logged once, and not for each partition again", () =>
      assertAllClosed(async () => {
        const control = EXPLICIT.committablePartitionedSource(filtering).run();
        await kafka.client.assign(p0, p1);
        await control.drainAndShutdown();
        expect(logged.filter(({ message }) => message.includes("SKIPS_OFFSETS"))).to.have.length(1);
      }));

    it("one that does not begin with its source is refused", () => {
      const other = offsetsOf(committableSource<string, Bytes>(settings())).toMat(committerSink(), Keep.right);
      const error = errorOf(() => EXPLICIT.committablePartitionedSource(() => other).run());
      expect(error).to.include({ code: "INVALID_SETTINGS" });
      expect(String(error)).to.include("does not begin with the source that it was given");
    });

    it("one that is run while it is looked at is refused", () => {
      const running: ExplicitGraph = (source) => {
        void safe(source).run();
        return safe(source);
      };
      const error = errorOf(() => EXPLICIT.committablePartitionedSource(running).run());
      expect(error).to.include({ code: "SOURCE_REUSED" });
    });

    it("the graph of restarting is seen by checkGraph as well", () => {
      const graph = restarting({}, () =>
        offsetsOf(committableSource<string, Bytes>(settings()))
          .mapAsyncUnordered(2, (offset) => Promise.resolve(offset))
          .toMat(committerSink(), DrainingControl.from),
      );
      expect(checkGraph(graph).hazards.map(({ code }) => code)).to.deep.equal(["ORDER_LOST"]);
    });
  });

  describe("without one it is noted that nobody has seen the streams,", () => {
    const notes = (graph: RunnableGraph<unknown>) =>
      checkGraph(graph).notes.map(({ code, stage }) => `${code} ${stage}`);

    it("of each source with offsets, and of no other", () => {
      expect(notes(ended(committablePartitionedSource(settings())))).to.deep.equal([
        "UNCHECKED_PARTITIONS committablePartitionedSource(t)",
      ]);
      expect(notes(ended(committablePartitionedManualOffsetSource(manual())))).to.deep.equal([
        "UNCHECKED_PARTITIONS committablePartitionedManualOffsetSource(t)",
      ]);
      expect(notes(ended(partitionedSourceWithOffsetContext(settings())))).to.deep.equal([
        "UNCHECKED_PARTITIONS partitionedSourceWithOffsetContext(t)",
      ]);
      expect(notes(ended(plainPartitionedSource(settings())))).to.deep.equal([]);
      expect(notes(EXPLICIT.committablePartitionedSource(safe))).to.deep.equal([]);
    });

    it("and one with context is refused a second committer when it is run", () =>
      assertAllClosed(async () => {
        const errors: unknown[] = [];
        const control = ended(
          partitionedSourceWithOffsetContext(settings()).map(({ source }) => {
            const both = source.alsoTo(committerSink().withContext.sink as never);
            errors.push(errorOf(() => both.toMat(committerSink(), (_, done) => done).run()));
          }),
        ).run();
        await kafka.client.assign(p0);
        await until(() => errors.length === 1, "an error");
        expect(errors[0]).to.include({ code: "UNSAFE_GRAPH" });
        await control.drainAndShutdown({ timeoutMs: 1 }).catch(() => undefined);
      }));
  });

  describe("runs each partition's stream as soon as it is assigned,", () => {
    const FACTORIES: Readonly<Record<string, () => RunnableGraph<DrainingControl<unknown>>>> = {
      plainPartitionedSource: () =>
        ended(
          plainPartitionedSource(settings(), (source, { partition }) =>
            source.mapAsync(1, ({ offset }) => gate.pass(`${partition}@${offset}`)).toMat(Sink.ignore, Keep.right),
          ),
        ),
      plainPartitionedManualOffsetSource: () =>
        ended(
          plainPartitionedManualOffsetSource(manual(), (source, { partition }) =>
            source.mapAsync(1, ({ offset }) => gate.pass(`${partition}@${offset}`)).toMat(Sink.ignore, Keep.right),
          ),
        ),
      committablePartitionedSource: () => EXPLICIT.committablePartitionedSource(passing),
      committablePartitionedManualOffsetSource: () => EXPLICIT.committablePartitionedManualOffsetSource(passing),
      partitionedSourceWithOffsetContext: () =>
        ended(
          partitionedSourceWithOffsetContext(settings(), (source, { partition }) =>
            source
              .mapAsync(1, ({ offset }) => gate.pass(`${partition}@${offset}`))
              .toMat(committerSink({ maxIntervalMs: 1 }), (_, done) => done),
          ),
        ),
    };
    const passing: ExplicitGraph = (source) =>
      source
        .mapAsync(1, async ({ record, offset }) => {
          await gate.pass(`${record.partition}@${record.offset}`);
          return offset;
        })
        .toMat(committerSink({ maxIntervalMs: 1 }), Keep.right);

    for (const [name, build] of Object.entries(FACTORIES)) {
      it(`as ${name} does, and drains them all`, () =>
        assertAllClosed(async () => {
          const control = build().run();
          await kafka.client.assign(p0, p1);
          kafka.client.give([...records("t", 0, 0, 1), ...records("t", 1, 0, 1)]);
          await until(() => gate.started.length === 2, "both partitions at work");
          let drained = false;
          const report = control.drainAndShutdown().finally(() => (drained = true));
          gate.open("0@0");
          await new Promise((resolve) => setImmediate(resolve));
          expect(drained, "before the other partition is done").to.equal(false);
          gate.open("1@0");
          await report;
        }));
    }

    it("emits what each stream resolves with", () =>
      assertAllClosed(async () => {
        const counts = committablePartitionedSource(settings(), (source, { partition }) =>
          offsetsOf(source).toMat(committerSink(), async (_, done) => {
            await done;
            return partition;
          }),
        );
        const [control, all] = counts.toMat(Sink.toArray<number>(), Keep.both).run();
        await kafka.client.assign(p0, p1);
        await control.stop();
        expect((await all).toSorted()).to.deep.equal([0, 1]);
        await control.shutdown();
      }));

    it("fails when one fails", () =>
      assertAllClosed(async () => {
        const control = EXPLICIT.committablePartitionedSource(passing).run();
        await kafka.client.assign(p0, p1);
        kafka.client.give(records("t", 0, 0, 1));
        await until(() => gate.started.length === 1, "a record");
        const failure = new Error("handler");
        gate.fail("0@0", failure);
        expect(await rejectionOf(control.streamCompletion)).to.equal(failure);
        await control.isShutdown.catch(() => undefined);
      }));

    it("goes on with the others where its decider says so, and runs the failed one again", () =>
      assertAllClosed(async () => {
        const clock = virtualClock();
        const control = ended(
          committablePartitionedSource(settings(), passing).withAttributes({
            supervision: Supervision.resumingDecider,
          }),
        ).run({ clock });
        await kafka.client.assign(p0, p1);
        kafka.client.give([...records("t", 0, 0, 1), ...records("t", 1, 0, 1)]);
        await until(() => gate.started.length === 2, "both partitions at work");
        gate.fail("0@0", new Error("handler"));
        await until(
          () => logged.some(({ message }) => message.includes("the stream of a partition failed")),
          "a warning",
        );
        await clock.advance(60_000);
        await until(() => kafka.client.of("seek").length === 1, "the partition to be read again");
        kafka.client.give(records("t", 0, 0, 1));
        await until(() => gate.started.length === 3, "the record again");
        expect(gate.started.at(-1)).to.equal("0@0");
        gate.open("0@0", "1@0");
        await drain(control, clock);
      }));
  });

  describe("and a partition that waits for its stream to be run", () => {
    it("is explained at once, and logged after ten seconds", () =>
      assertAllClosed(async () => {
        const clock = virtualClock();
        const control = ended(
          committablePartitionedSource(settings()).mapAsync(1, ({ source }) => safe(source).run({ clock })),
        ).run({ clock });
        await kafka.client.assign(p0, p1);
        await until(() => control.explain().partitions.some(({ state }) => state === "delivering"), "one that runs");
        expect(control.explain().partitions.map(({ partition, state }) => [partition, state])).to.deep.equal([
          [0, "delivering"],
          [1, "notRun"],
        ]);
        expect(String(control.explain())).to.include("t[1] notRun: waits for its stream to be run");
        await clock.advance(9000);
        const waits = () =>
          logged.filter(({ message }) => message.includes("has not been run")).map(({ message }) => message);
        expect(waits()).to.deep.equal([]);
        await clock.advance(2000);
        expect(waits()).to.have.length(1);
        expect(waits()[0]).to.include("t[1]").and.to.include("mapAsyncUnordered");
        await drain(control, clock);
        await clock.advance(60_000);
        expect(waits()).to.have.length(1);
      }));

    it("is none where the source runs it", () =>
      assertAllClosed(async () => {
        const clock = virtualClock();
        const control = EXPLICIT.committablePartitionedSource(safe).run({ clock });
        await kafka.client.assign(p0, p1);
        await clock.advance(20_000);
        expect(control.explain().partitions.map(({ state }) => state)).to.deep.equal(["delivering", "delivering"]);
        expect(logged.filter(({ level }) => level === "warn")).to.deep.equal([]);
        await drain(control, clock);
      }));
  });
});
