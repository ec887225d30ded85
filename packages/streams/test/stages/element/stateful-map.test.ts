import { Flow, Keep, KillSwitches, Sink, Source, Supervision } from "@millrace/streams";
import { NO_MORE_ELEMENTS } from "@millrace/streams/stage";
import { settle, sinkProbe, sourceProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { operatorSkeleton, outcomeOf } from "../../support/operator-skeleton.js";
import { asItIs, eachSeed } from "../../support/runs.js";

const boom = new Error("boom");

/** Running sums; the last one comes once more, negated, when its state ends. */
const sums = (check: (n: number) => void = () => undefined): Flow<number, number> =>
  Flow.of<number>().statefulMap(
    () => 0,
    (sum, n) => {
      check(n);
      return [sum + n, sum + n];
    },
    (sum) => -sum,
  );

interface Life {
  readonly made: number[];
  readonly ended: number[];
  readonly flow: Flow<number, number>;
}

/** Counts its states, which are numbered from 1, and tells of their ends. */
const watched = (f: (n: number) => void = () => undefined): Life => {
  const made: number[] = [];
  const ended: number[] = [];
  const flow = Flow.of<number>().statefulMap(
    () => made.push(made.length + 1),
    (state, n) => {
      f(n);
      return [state, n];
    },
    (state) => void ended.push(state),
  );
  return { made, ended, flow };
};

const throwsAt =
  (at: number): ((n: number) => void) =>
  (n) => {
    if (n === at) throw boom;
  };

describe("statefulMap", () => {
  operatorSkeleton<number, number>({
    name: "statefulMap",
    flow: () => sums(),
    input: [1, 2, 3],
    output: [1, 3, 6, -6],
    outputOfEmpty: [-0],
    outputOfOne: [1, -1],
    throwing: { flow: sums, at: 1, delivered: [1, -1], resumed: [1, 4, -4], restarted: [1, -1, 3, -3] },
  });

  it(
    "ends the state once when upstream fails, and emits what that gives before the failure",
    eachSeed(async (options) => {
      let ended = 0;
      const flow = Flow.of<number>().statefulMap(
        () => 10,
        (state, n) => [state, n],
        (state) => state + ++ended,
      );
      const [source, sink] = sourceProbe<number>().via(flow).toMat(sinkProbe<number>(), Keep.both).run(options);
      source.send(1);
      source.fail(boom);
      await sink.expectNext(1, 11);
      expect(await sink.expectError()).to.equal(boom);
      expect(ended).to.equal(1);
    }),
  );

  it(
    "ends the state once when downstream leaves, and drops what that gives",
    eachSeed(async (options) => {
      let ended = 0;
      const [source, sink] = sourceProbe<number>()
        .statefulMap(
          () => 0,
          (state, n: number) => [state, n],
          () => ++ended,
        )
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      source.send(1);
      await sink.expectNext(1);
      sink.cancel();
      await settle();
      expect(ended).to.equal(1);
      expect(sink.received).to.deep.equal([1]);
      expect(source.cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
    }),
  );

  it(
    "ends the state once when its function throws",
    eachSeed(async (options) => {
      const { ended, flow } = watched(throwsAt(2));
      expect(await outcomeOf(Source.from([1, 2, 3]).via(flow), options)).to.deep.equal({
        delivered: [1],
        failure: boom,
      });
      expect(ended).to.deep.equal([1]);
    }),
  );

  it(
    "ends the old state and makes a new one on restart, and keeps it on resume",
    eachSeed(async (options) => {
      for (const directive of ["resume", "restart"] as const) {
        const { made, ended, flow } = watched(throwsAt(2));
        const source = Source.from([1, 2, 3]).via(flow.withAttributes({ supervision: () => directive }));
        expect((await outcomeOf(source, options)).delivered).to.deep.equal([1, 3]);
        expect(made).to.deep.equal(directive === "resume" ? [1] : [1, 2]);
        expect(ended).to.deep.equal(made);
      }
    }),
  );

  it(
    "ends the state once when its function stops the stream from inside",
    eachSeed(async (options) => {
      let shutdown = (): void => undefined;
      const { ended, flow } = watched((n) => {
        if (n === 2) shutdown();
      });
      const [killSwitch, probe] = Source.from([1, 2, 3])
        .via(flow)
        .viaMat(KillSwitches.single<number>(), Keep.right)
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      shutdown = () => killSwitch.shutdown();
      const elements = await probe.rest();
      expect([1, 2, 3]).to.include.members(elements);
      expect(ended).to.deep.equal([1]);
    }),
  );

  it(
    "makes no further state when its function stops the stream and then throws",
    asItIs(async (options) => {
      let shutdown = (): void => undefined;
      const { made, ended, flow } = watched(() => {
        shutdown();
        throw boom;
      });
      const [killSwitch, end] = Source.from([1, 2, 3])
        .via(flow)
        .withAttributes({ supervision: Supervision.restartingDecider })
        .viaMat(KillSwitches.single<number>(), Keep.right)
        .toMat(Sink.ignore, Keep.both)
        .run(options);
      shutdown = () => killSwitch.shutdown();
      await end;
      expect([made, ended]).to.deep.equal([[1], [1]]);
    }),
  );

  it(
    "fails with upstream's failure, not the one of ending the state after it",
    eachSeed(async (options) => {
      const flow = Flow.of<number>().statefulMap(
        () => 0,
        (state, n) => [state, n],
        () => {
          throw new Error("second");
        },
      );
      expect((await outcomeOf(Source.failed(boom).via(flow), options)).failure).to.equal(boom);
    }),
  );

  it(
    "fails when ending the state fails on completion or restart, and ends it no second time",
    eachSeed(async (options) => {
      for (const input of [[], [2]]) {
        let ends = 0;
        const flow = Flow.of<number>()
          .statefulMap(
            () => 0,
            (state, n): [number, number] => {
              throwsAt(2)(n);
              return [state, n];
            },
            () => {
              ends += 1;
              throw new Error("end");
            },
          )
          .withAttributes({ supervision: Supervision.restartingDecider });
        const { failure } = await outcomeOf(Source.from(input).via(flow), options);
        expect((failure as Error).message).to.equal("end");
        expect(ends).to.equal(1);
      }
    }),
  );

  it(
    "fails with what making the state throws, and cancels upstream with it",
    eachSeed(async (options) => {
      const [source, sink] = sourceProbe<number>()
        .statefulMap(
          (): number => {
            throw boom;
          },
          (state, n) => [state, n],
        )
        .withAttributes({ supervision: Supervision.resumingDecider })
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      expect(await sink.expectError()).to.equal(boom);
      expect(source.cancellations).to.deep.equal([boom]);
    }),
  );

  it(
    "makes no state for a downstream that never asks",
    asItIs(async (options) => {
      const { made, ended, flow } = watched();
      const sink = Source.from([1]).via(flow).runWith(sinkProbe<number>(), options);
      sink.cancel();
      await settle();
      expect([made, ended]).to.deep.equal([[], []]);
    }),
  );

  it(
    "makes a state for every run",
    eachSeed(async (options) => {
      const graph = Source.from([1, 2]).via(sums());
      expect(await graph.runWith(Sink.toArray(), options)).to.deep.equal([1, 3, -3]);
      expect(await graph.runWith(Sink.toArray(), options)).to.deep.equal([1, 3, -3]);
    }),
  );
});
