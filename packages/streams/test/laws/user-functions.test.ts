import {
  type Decider,
  Flow,
  FlowWithContext,
  Join,
  Keep,
  type Logger,
  type RunOptions,
  Sink,
  Source,
  Supervision,
} from "@millrace/streams";
import { assertAllClosed, settle, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { functionParametersOf } from "../support/function-parameters.js";
import { recordingClaims } from "../with-context/recording-claims.js";
import { unhandledRejections } from "../../../../test/support/unhandled.js";

const failure = new Error("the user's own");
const bad = (): never => {
  throw failure;
};
const rejecting = (): Promise<never> => Promise.reject(failure);

/** Both surfaces have the same operators: the rows are written once, on the plain one. */
type Numbers = Flow<number, unknown, unknown>;
type Row = (numbers: Flow<number, number, unknown>, surface: Surface) => Numbers;

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const slow = { elements: 1, perMs: 1000, maximumBurst: 1 };
const itself = (n: number): number => n;
const kept = (numbers: readonly number[], n: number): readonly number[] => [...numbers, n];
const none = (): readonly number[] => [];
const adding = (numbers: readonly number[], n: number): readonly [readonly number[], boolean] => [
  [...numbers, n],
  numbers.length === 1,
];
const waiting = (numbers: readonly number[], n: number): readonly [readonly number[], boolean] => [
  [...numbers, n],
  false,
];

/** A branch whose failure its stream is still there to hear of. */
const beside = (numbers: Flow<number, number, unknown>, branch: Sink<number, unknown>): Numbers =>
  numbers.alsoTo(branch).throttle(slow);

/** Those the decider is asked about. */
const SUPERVISED: Readonly<Record<string, Row>> = {
  "map.f": (numbers) => numbers.map(bad),
  "filter.holds": (numbers) => numbers.filter(bad),
  "filterNot.holds": (numbers) => numbers.filterNot(bad),
  "collect.f": (numbers) => numbers.collect(bad),
  "mapConcat.f": (numbers) => numbers.mapConcat(bad),
  "mapAsync.f": (numbers) => numbers.mapAsync(2, bad),
  "mapAsync.f, rejecting": (numbers) => numbers.mapAsync(2, rejecting),
  "mapAsyncUnordered.f": (numbers) => numbers.mapAsyncUnordered(2, bad),
  "mapAsyncUnordered.f, rejecting": (numbers) => numbers.mapAsyncUnordered(2, rejecting),
  "mapAsyncPartitioned.key": (numbers) => numbers.mapAsyncPartitioned(2, bad, itself),
  "mapAsyncPartitioned.f": (numbers) => numbers.mapAsyncPartitioned(2, itself, bad),
  "mapAsyncPartitioned.f, rejecting": (numbers) => numbers.mapAsyncPartitioned(2, itself, rejecting),
  "mapAsyncPartitionedUnordered.key": (numbers) => numbers.mapAsyncPartitionedUnordered(2, bad, itself),
  "mapAsyncPartitionedUnordered.f": (numbers) => numbers.mapAsyncPartitionedUnordered(2, itself, bad),
  "mapAsyncPartitionedUnordered.f, rejecting": (numbers) => numbers.mapAsyncPartitionedUnordered(2, itself, rejecting),
  "takeWhile.holds": (numbers) => numbers.takeWhile(bad),
  "scan.f": (numbers) => numbers.scan(0, bad),
  "statefulMap.f": (numbers) => numbers.statefulMap(() => 0, bad),
  "fold.f": (numbers) => numbers.fold(0, bad),
  "reduce.f": (numbers) => numbers.reduce(bad),
  "aggregateWithBoundary.allocate": (numbers) => numbers.aggregateWithBoundary(bad, adding, String),
  "aggregateWithBoundary.aggregate": (numbers) => numbers.aggregateWithBoundary(none, bad, String),
  "aggregateWithBoundary.harvest": (numbers) => numbers.aggregateWithBoundary(none, adding, bad),
  "aggregateWithBoundary.harvest, at the end": (numbers) => numbers.aggregateWithBoundary(none, waiting, bad),
  "aggregateWithBoundary.options.startsNew": (numbers) =>
    numbers.aggregateWithBoundary(none, waiting, String, { startsNew: bad }),
  "aggregateWithBoundary.options.emitOnTimer.when": (numbers) =>
    numbers.throttle(slow).aggregateWithBoundary(none, waiting, String, { emitOnTimer: { intervalMs: 10, when: bad } }),
  "batch.seed": (numbers) => numbers.batch(4, bad, kept),
  "batch.aggregate": (numbers) => numbers.batch(4, (n): readonly number[] => [n], bad),
  "conflate.aggregate": (numbers) => numbers.conflate(bad),
  "groupBy.key": (numbers) => numbers.groupBy(4, bad).map(itself).mergeSubstreams(),
  "partition.choose": (numbers, { flow }) => numbers.partition([flow, flow], bad, Join.merge()),
  "divertTo.when": (numbers, { side }) => numbers.divertTo(side, bad),
  "divertToMat.when": (numbers, { side }) => numbers.divertToMat(side, bad, Keep.left),
  "log.options.extract": (numbers) => numbers.log("law", { extract: bad, logger: silent }),
  "Sink.forEachAsync.f": (numbers) => beside(numbers, Sink.forEachAsync(2, bad)),
  "Sink.forEachAsync.f, rejecting": (numbers) => beside(numbers, Sink.forEachAsync(2, rejecting)),
};

/** Those that fail the stream, whatever the decider says: there is no element to drop, or no state to go on with. */
const FAILING: Readonly<Record<string, Row>> = {
  "statefulMap.create": (numbers) => numbers.statefulMap<number, number>(bad, (_, n) => [0, n]),
  "statefulMap.onComplete": (numbers) =>
    numbers.statefulMap(
      () => 0,
      (_, n) => [0, n],
      bad,
    ),
  "recover.f": (numbers) => numbers.concat(Source.failed(new Error("another"))).recover(bad),
  "Sink.forEach.f": (numbers) => beside(numbers, Sink.forEach(bad)),
  "Sink.fold.f": (numbers) => beside(numbers, Sink.fold(0, bad)),
  "Source.unfold.f": (numbers) => numbers.merge(Source.unfold(0, bad)),
};

/** Those whose failures are dropped. */
const HARMLESS: Readonly<Record<string, Row>> = {
  "log.options.logger": (numbers) => numbers.log("law", { logger: { debug: bad, info: bad, warn: bad, error: bad } }),
};

const wrap = { wrap: bad };
const promised = Flow.of<number>().toMat(Sink.ignore, Keep.right);

/** Those that are called while the stream is built, so that `run` throws what they throw. */
const BUILDING: Readonly<Record<string, (surface: Surface) => unknown>> = {
  "mergeMat.combine": ({ run, flow, other }) => run(flow.mergeMat(other, bad)),
  "concatMat.combine": ({ run, flow, other }) => run(flow.concatMat(other, bad)),
  "zipMat.combine": ({ run, flow, other }) => run(flow.zipMat(other, bad)),
  "divertToMat.combine": ({ run, flow, side }) => run(flow.divertToMat(side, () => true, bad)),
  "alsoToMat.combine": ({ run, flow, side }) => run(flow.alsoToMat(side, bad)),
  "viaMat.combine": ({ run, flow }) => run(flow.viaMat(flow, bad)),
  "watchTermination.combine": ({ run, flow }) => run(flow.watchTermination(bad)),
  "mapMaterializedValue.f": ({ run, flow }) => run(flow.mapMaterializedValue(bad)),
  "Flow.toMat.combine": ({ run, flow }) => run(flow.alsoTo(Flow.of<number>().toMat(Sink.ignore, bad))),
  "Sink.mapMaterializedValue.f": ({ run, flow }) => run(flow.alsoTo(promised.mapMaterializedValue(bad))),
  "Source.toMat.combine": () => Source.single(1).toMat(Sink.ignore, bad).run(),
  "Source.runWith.options.wrap": () => Source.single(1).runWith(Sink.ignore, wrap),
  "Source.iterate.options.wrap": () => Source.single(1).iterate(wrap),
  "RunnableGraph.run.options.wrap": () => Source.single(1).to(Sink.ignore).run(wrap),
  "RunnableGraph.mapMaterializedValue.f": () => Source.single(1).to(Sink.ignore).mapMaterializedValue(bad).run(),
  "SourceWithContext.toMat.combine": () => recordingClaims().source([1]).toMat(recordingClaims().sink(), bad).run(),
};

interface Ran {
  readonly done: Promise<unknown>;
  /** Claims that have ended, though nothing of theirs was dropped on purpose. */
  readonly lost: () => number;
}

interface Surface {
  readonly flow: Flow<number, number, unknown>;
  readonly side: Sink<number, Promise<void>>;
  readonly other: Source<number>;
  /** What a branch beside a stream is made of, and its end. */
  readonly branch: (flow: Numbers) => Sink<number, Promise<void>>;
  readonly functions: readonly string[];
  readonly run: (flow: Numbers, options?: RunOptions, input?: Iterable<number>) => Ran;
  readonly iterated?: (flow: Numbers, options: RunOptions, input: Iterable<number>) => Ran;
}

const drained = async (elements: AsyncIterable<unknown>): Promise<void> => {
  for await (const _ of elements);
};

const named = (path: string, className: string, prefix = `${className}.`): readonly string[] =>
  functionParametersOf(path, className).map((name) => prefix + name);

const SURFACES: Readonly<Record<string, Surface>> = {
  plain: {
    flow: Flow.of<number>(),
    side: Sink.ignore,
    other: Source.single(9),
    branch: (flow) => flow.watchTermination(Keep.right).to(Sink.ignore),
    functions: [
      ...named("operators.ts", "Operators", ""),
      ...["Source", "Sink", "Flow"].flatMap((name) => named(`${name.toLowerCase()}.ts`, name)),
      ...named("runnable-graph.ts", "RunnableGraph"),
      ...["SourceWithContext", "FlowWithContext"].flatMap((name) => named("with-context/with-context.ts", name)),
    ],
    run: (flow, options, input = []) => ({
      done: Source.from(input).via(flow).runWith(Sink.ignore, options),
      lost: () => 0,
    }),
    iterated: (flow, options, input) => ({
      done: drained(Source.from(input).via(flow).iterate(options)),
      lost: () => 0,
    }),
  },
  "with context": {
    flow: FlowWithContext.of<number>() as unknown as Flow<number, number>,
    side: FlowWithContext.of<number>() as unknown as Sink<number, Promise<void>>,
    other: recordingClaims().source([9]) as unknown as Source<number>,
    branch: (flow) => flow.watchTermination(Keep.right) as unknown as Sink<number, Promise<void>>,
    functions: named("with-context/operators.ts", "OperatorsWithContext", ""),
    run: (flow, options, input = []) => {
      const claims = recordingClaims();
      const source = claims.source(input).via(flow as unknown as FlowWithContext<number, unknown>);
      const done = source.toMat(claims.sink<never>(), Keep.right).run(options);
      return { done, lost: () => claims.ended().length + claims.violations.length };
    },
  },
};

type Place = (flow: Numbers, surface: Surface, look: (ended: Promise<void>) => void) => Numbers;

/** Where the function is called. */
const PLACES: Readonly<Record<string, Place>> = {
  "in the stream": (flow) => flow,
  "in a branch beside it": (flow, { flow: numbers, branch }, look) =>
    numbers.alsoToMat(branch(flow), (_, ended) => look(ended)),
  "in one of its branches": (flow, { flow: numbers }) => numbers.broadcast([flow, numbers], Join.merge()),
  "in a group": (flow, { flow: numbers }) =>
    numbers
      .groupBy(4, (n) => n % 2)
      .via(flow)
      .mergeSubstreams(),
};

const UNDECIDED = "nothing";
const DECIDERS: Readonly<Record<string, Decider | undefined>> = {
  [UNDECIDED]: undefined,
  stop: Supervision.stoppingDecider,
  resume: Supervision.resumingDecider,
  restart: Supervision.restartingDecider,
};

type Placed = (look: (ended: Promise<void>) => void) => Numbers;
type Running = (flow: Numbers, options: RunOptions, input: Iterable<number>) => Ran;

/** How a stream ends, which it must within a minute, its source closed and all claims open if it fails. */
const outcomeOf = async (at: Placed, run: Running, supervision: Decider | undefined): Promise<unknown> => {
  const clock = virtualClock();
  let open = 0;
  const input = {
    *[Symbol.iterator](): Iterator<number> {
      open += 1;
      try {
        yield* [1, 2, 3, 4];
      } finally {
        open -= 1;
      }
    },
  };
  let outcome: unknown = "it stalls";
  const unheard = await unhandledRejections(() =>
    assertAllClosed(async () => {
      const looked: Promise<unknown>[] = [];
      const flow = at((ended) => void looked.push(ended));
      const { done, lost } = run(supervision ? flow.withAttributes({ supervision }) : flow, { clock }, input);
      void Promise.allSettled([done, ...looked]).then((ends) => {
        const failed = ends.find((end) => end.status === "rejected");
        outcome = failed ? failed.reason : "it completes";
      });
      for (let second = 0; second < 60 && outcome === "it stalls"; second++) await clock.advance(1000);
      await settle();
      if (outcome === failure) expect(lost(), "claims that a failed stream has ended").to.equal(0);
    }),
  );
  expect(unheard).to.deep.equal([]);
  expect(open, "sources left open").to.equal(0);
  return outcome;
};

const rowsOf = (rows: Readonly<Record<string, Row>>, { functions }: Surface): readonly (readonly [string, Row])[] =>
  Object.entries(rows).filter(([name]) => functions.includes(name.replace(/,.*/, "")));

describe("a user's function that throws", () => {
  const tried = [SUPERVISED, FAILING, HARMLESS, BUILDING].flatMap((rows) => Object.keys(rows));
  for (const [name, { functions }] of Object.entries(SURFACES)) {
    it(`is tried here, whatever takes it: ${name}`, () => {
      expect(functions).to.include("groupBy.key");
      expect(tried).to.include.members([...functions]);
    });
  }

  for (const [name, surface] of Object.entries(SURFACES)) {
    for (const [place, at] of Object.entries(PLACES)) {
      const ways = { run: surface.run, ...(surface.iterated && { iterate: surface.iterated }) };
      for (const [way, run] of Object.entries(ways)) {
        const where = `${place}, ${name}, ${way}`;
        const ends = async (row: Row, decision: string): Promise<unknown> =>
          outcomeOf((look) => at(row(surface.flow, surface), surface, look), run, DECIDERS[decision]);

        for (const [title, row] of rowsOf(SUPERVISED, surface)) {
          it(`fails the stream unless the decider says otherwise: ${title}, ${where}`, async () => {
            for (const decision of [UNDECIDED, "stop"]) expect(await ends(row, decision), decision).to.equal(failure);
            for (const decision of ["resume", "restart"]) {
              // Of nothing there is nothing to reduce.
              expect(await ends(row, decision), decision).to.satisfy(
                (end: unknown) => end === "it completes" || (end as { code?: string }).code === "EMPTY_STREAM",
              );
            }
          });
        }
        for (const [title, row] of rowsOf(FAILING, surface)) {
          it(`fails the stream, whatever the decider says: ${title}, ${where}`, async () => {
            for (const decision of Object.keys(DECIDERS)) expect(await ends(row, decision), decision).to.equal(failure);
          });
        }
        for (const [title, row] of rowsOf(HARMLESS, surface)) {
          it(`harms nothing: ${title}, ${where}`, async () => {
            const { error } = console;
            console.error = () => undefined;
            try {
              for (const decision of Object.keys(DECIDERS)) {
                expect(await ends(row, decision), decision).to.equal("it completes");
              }
            } finally {
              console.error = error;
            }
          });
        }
      }
    }

    for (const [title, build] of Object.entries(BUILDING)) {
      if (!surface.functions.includes(title)) continue;
      it(`is thrown by the call that builds the stream, which leaves nothing open: ${title}, ${name}`, async () => {
        const unheard = await unhandledRejections(() =>
          assertAllClosed(async () => {
            expect(() => build(surface)).to.throw(failure);
          }),
        );
        expect(unheard).to.deep.equal([]);
      });
    }
  }
});
