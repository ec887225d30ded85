import { Flow, InvariantViolation, Keep, Sink, Source, Supervision } from "@millrace/streams";
import { liveRuns, NO_MORE_ELEMENTS, type Pull } from "@millrace/streams/stage";
import { assertAllClosed, forSeeds, settle, sinkProbe, sourceProbe } from "@millrace/streams-testkit";
import { expect } from "chai";

/** A flow that notes in `log` when its finaliser begins and ends. */
const finalised = (name: string, log: string[], fail = false): Flow<number, number> =>
  Flow.fromStage<number, number>({
    name,
    create(upstream, run) {
      run.onEnd(async () => {
        log.push(`${name} begins`);
        await settle(1);
        log.push(`${name} ends`);
        if (fail) throw new Error(`finaliser of ${name}`);
      });
      return upstream;
    },
  });

/** A flow that notes in `log` how the run has drained. */
const drainedTo = (log: string[]): Flow<number, number> =>
  Flow.fromStage<number, number>({
    name: "drainedTo",
    create(upstream, run) {
      run.drained.then(
        () => log.push("drained"),
        (error: unknown) => log.push((error as Error).message),
      );
      return upstream;
    },
  });

const REVERSE = ["b begins", "b ends", "a begins", "a ends"];

describe("Run", () => {
  const ends: readonly { readonly end: string; readonly run: (flow: Flow<number, number>) => Promise<unknown> }[] = [
    { end: "a failure", run: (flow) => Source.failed<number>(new Error("boom")).via(flow).runWith(Sink.ignore) },
    {
      end: "a failure of the sink",
      run: (flow) =>
        Source.single(1)
          .via(flow)
          .runWith(
            Sink.forEach(() => {
              throw new Error("sink");
            }),
          ),
    },
    { end: "a cancellation", run: (flow) => Source.from([1, 2]).via(flow).runWith(Sink.head()) },
    {
      end: "leaving a loop",
      run: async (flow) => {
        for await (const _ of Source.from([1, 2]).via(flow)) break;
      },
    },
    { end: "completion", run: (flow) => Source.from([1, 2]).via(flow).runWith(Sink.ignore) },
  ];

  for (const { end, run } of ends) {
    it(`runs each finaliser once after ${end}, last first, one after another`, async () => {
      const log: string[] = [];
      const flow = finalised("a", log).via(finalised("b", log));
      await assertAllClosed(() => run(flow).catch(() => undefined));
      expect(log).to.deep.equal(REVERSE);
    });
  }

  it("runs the finalisers of what was built when building fails, and lets run() throw", async () => {
    const log: string[] = [];
    const error = new Error("create");
    const broken = Flow.fromStage<number, number>({
      name: "broken",
      create() {
        throw error;
      },
    });
    await assertAllClosed(async () => {
      expect(() =>
        Source.single(1).via(finalised("a", log)).via(finalised("b", log)).via(broken).runWith(Sink.ignore),
      ).to.throw(error);
      expect(() => Source.single(1).via(broken).iterate()).to.throw(error);
    });
    expect(log).to.deep.equal(REVERSE);
  });

  it("runs the other finalisers although one fails", async () => {
    const log: string[] = [];
    await assertAllClosed(() =>
      Source.single(1)
        .via(finalised("a", log))
        .via(finalised("b", log, true))
        .runWith(Sink.ignore),
    );
    expect(log).to.deep.equal(REVERSE);
  });

  it("does not end before its last terminal", async () => {
    const log: string[] = [];
    const before = liveRuns();
    const source = sourceProbe<number>()
      .via(finalised("a", log))
      .via(
        Flow.of<number>().broadcast([Flow.of<number>(), Flow.of<number>()], {
          junction: {
            name: "first",
            create: ([first, second]) => (second?.cancel(NO_MORE_ELEMENTS), first as Pull<number>),
          },
        }),
      );
    const [probe, sink] = source.toMat(sinkProbe<number>(), Keep.both).run();
    await settle();
    expect(log).to.deep.equal([]);
    expect(liveRuns()).to.equal(before + 1);
    sink.cancel();
    await settle();
    expect(log).to.deep.equal(["a begins", "a ends"]);
    expect(liveRuns()).to.equal(before);
    expect(probe.cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
  });

  it("waits for both terminals of alsoTo", async () => {
    const log: string[] = [];
    const [[source, side], main] = sourceProbe<number>()
      .via(finalised("a", log))
      .alsoToMat(sinkProbe<number>(), Keep.both)
      .toMat(sinkProbe<number>(), Keep.both)
      .run();
    source.complete();
    await main.expectComplete();
    await settle();
    expect(log).to.deep.equal([]);
    await side.expectComplete();
    await settle();
    expect(log).to.deep.equal(["a begins", "a ends"]);
  });

  it("ends once although a sink announces its end twice", async () => {
    const log: string[] = [];
    const twice = Sink.fromStage<number, void>({
      name: "twice",
      create(upstream, run) {
        const end = run.terminal(() => {
          upstream.cancel(NO_MORE_ELEMENTS);
          end();
          end();
        });
      },
    });
    await assertAllClosed(async () => Source.single(1).via(finalised("a", log)).runWith(twice));
    expect(log).to.deep.equal(["a begins", "a ends"]);
  });

  it("has drained once the last terminal has ended, and not before, and only then closes", async () => {
    const log: string[] = [];
    const [[source, side], main] = sourceProbe<number>()
      .via(finalised("a", log))
      .via(drainedTo(log))
      .alsoToMat(sinkProbe<number>(), Keep.both)
      .toMat(sinkProbe<number>(), Keep.both)
      .run();
    source.complete();
    await main.expectComplete();
    await settle();
    expect(log).to.deep.equal([]);
    await side.expectComplete();
    await settle();
    expect(log).to.deep.equal(["a begins", "drained", "a ends"]);
  });

  it("reports the first failure of a terminal at once, also one that no other terminal hears of", async () => {
    const log: string[] = [];
    const inSide = new Error("side");
    let fail: (error: Error) => void = () => undefined;
    const call = new Promise<never>((_, reject) => (fail = reject));
    const [[source, side], main] = sourceProbe<number>()
      .via(drainedTo(log))
      .alsoToMat(
        Flow.of<number>()
          .mapAsync(1, () => call)
          .toMat(Sink.ignore, Keep.right),
        Keep.both,
      )
      .toMat(sinkProbe<number>(), Keep.both)
      .run();
    source.send(1);
    source.complete();
    await main.expectNext(1);
    await main.expectComplete();
    fail(inSide);
    expect(await side.catch((error: unknown) => error)).to.equal(inSide);
    await settle();
    expect(log).to.deep.equal(["side"]);
  });

  it("settles finished only after the finalisers", async () => {
    const log: string[] = [];
    const watched = Flow.fromStage<number, number>({
      name: "watched",
      create(upstream, run) {
        void run.finished.then(() => log.push("finished"));
        return upstream;
      },
    });
    await assertAllClosed(() => Source.single(1).via(finalised("a", log)).via(watched).runWith(Sink.ignore));
    await settle();
    expect(log).to.deep.equal(["a begins", "a ends", "finished"]);
  });

  it("lets no element flow before run() has returned", async () => {
    const log: string[] = [];
    const end = Source.single(1).runWith(Sink.forEach(() => void log.push("element")));
    log.push("returned");
    await end;
    expect(log).to.deep.equal(["returned", "element"]);
  });

  it("never supervises an invariant violation", () =>
    forSeeds(async (options) => {
      const violation = new InvariantViolation("impossible");
      const source = Source.from([1, 2])
        .map(() => {
          throw violation;
        })
        .withAttributes({ supervision: Supervision.resumingDecider });
      const failure: unknown = await source.runWith(Sink.ignore, options).catch((error: unknown) => error);
      expect(failure).to.equal(violation);
    }));

  it("asks the innermost decider, and the one of the options when the graph has none", async () => {
    const throwing = Flow.of<number>().map((n): number => {
      throw new Error(`${n}`);
    });
    const asked: string[] = [];
    const decider = (name: string) => () => {
      asked.push(name);
      return "resume" as const;
    };
    const options = { attributes: { supervision: decider("options") } };
    await Source.single(1).via(throwing).runWith(Sink.ignore, options);
    await Source.single(1)
      .via(throwing.withAttributes({ supervision: decider("inner") }))
      .withAttributes({ supervision: decider("outer") })
      .runWith(Sink.ignore, options);
    expect(asked).to.deep.equal(["options", "inner"]);
  });
});
