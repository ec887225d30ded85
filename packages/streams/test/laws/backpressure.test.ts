import {
  Flow,
  FlowWithContext,
  Join,
  Keep,
  Operators,
  OperatorsWithContext,
  Sink,
  Source,
  SourceWithContext,
  type WithClaim,
} from "@millrace/streams";
import { type Chunk, DONE, nextTurn, type SourceStage, WAIT } from "@millrace/streams/stage";
import { settle, sinkProbe, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { operatorsOf } from "../with-context/context-steps.js";
import { recordingClaims } from "../with-context/recording-claims.js";

/** A user function that takes a millisecond, and is counted. */
type Call = (n: number) => Promise<number>;
type Numbers = Flow<number, unknown, unknown>;

interface Row {
  readonly flow: (call: Call) => Numbers;
  /** Elements that may have been taken from upstream, as `docs/operators/README.md` says; `chunk` is the length of its chunks. */
  readonly elements: (chunk: number) => number;
  /** Calls that may have been made. */
  readonly calls?: number;
}

const numbers = (): Flow<number, number> => Flow.of<number>();
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const itself = (n: number): number => n;
const half = (n: number): number => n % 2;
const oneChunk = (chunk: number): number => chunk;
/** One has been handed on, and one waits. */
const twoChunks = (chunk: number): number => 2 * chunk;
/** What was diverted meanwhile has left. */
const withDiverted = (chunk: number): number => 2 * chunk + 1;
const inChunks =
  (elements: number) =>
  (chunk: number): number =>
    elements + chunk;

/** One in downstream's hand, and the bound. */
const one = 1;

const ROWS: Readonly<Record<string, Row>> = {
  map: { flow: () => numbers().map((n) => n), elements: oneChunk },
  filter: { flow: () => numbers().filter(() => true), elements: oneChunk },
  filterNot: { flow: () => numbers().filterNot(() => false), elements: oneChunk },
  collect: { flow: () => numbers().collect((n) => n), elements: oneChunk },
  mapConcat: { flow: () => numbers().mapConcat((n) => [n, n]), elements: oneChunk },
  "mapConcat of long answers": {
    flow: () => numbers().mapConcat((n) => Array.from({ length: 1000 }, () => n)),
    elements: oneChunk,
  },
  "mapAsync(1)": { flow: (call) => numbers().mapAsync(1, call), elements: inChunks(1), calls: one + 1 },
  "mapAsync(4)": { flow: (call) => numbers().mapAsync(4, call), elements: inChunks(4), calls: one + 4 },
  "mapAsync(4) answered at once": {
    flow: (call) => numbers().mapAsync(4, (n) => (void call(n), n)),
    elements: inChunks(4),
    calls: one + 4,
  },
  "mapAsync(4) answered by settled promises": {
    flow: (call) => numbers().mapAsync(4, async (n) => (void call(n), n)),
    elements: inChunks(4),
    calls: one + 4,
  },
  "three times mapAsync(1)": {
    flow: (call) => numbers().mapAsync(1, call).mapAsync(1, call).mapAsync(1, call),
    elements: inChunks(3 + one),
    calls: 3 * (one + 1) + 3,
  },
  "mapAsync(1) behind grouped(10)": {
    flow: (call) =>
      numbers()
        .grouped(10)
        .mapAsync(1, (group) => call(group.length)),
    elements: (chunk) => 2 * (10 + chunk),
    calls: one + 1,
  },
  "mapAsyncUnordered(1)": {
    flow: (call) => numbers().mapAsyncUnordered(1, call),
    elements: inChunks(1),
    calls: one + 1,
  },
  "mapAsyncUnordered(4)": {
    flow: (call) => numbers().mapAsyncUnordered(4, call),
    elements: inChunks(4),
    calls: one + 4,
  },
  "mapAsyncPartitioned(4, waiting: 3)": {
    flow: (call) => numbers().mapAsyncPartitioned(4, itself, call, { waiting: 3 }),
    elements: inChunks(4 + 3),
    calls: one + 4 + 3,
  },
  "mapAsyncPartitioned(4, waiting: 3) of two keys": {
    flow: (call) => numbers().mapAsyncPartitioned(4, half, call, { waiting: 3 }),
    elements: inChunks(4 + 3),
    calls: one + 4 + 3,
  },
  "mapAsyncPartitionedUnordered(4, waiting: 3)": {
    flow: (call) => numbers().mapAsyncPartitionedUnordered(4, itself, call, { waiting: 3 }),
    elements: inChunks(4 + 3),
    calls: one + 4 + 3,
  },
  "mapAsyncPartitionedUnordered(4, waiting: 3) of two keys": {
    flow: (call) => numbers().mapAsyncPartitionedUnordered(4, half, call, { waiting: 3 }),
    elements: inChunks(4 + 3),
    calls: one + 4 + 3,
  },
  take: { flow: () => numbers().take(1_000_000), elements: oneChunk },
  takeWhile: { flow: () => numbers().takeWhile(() => true), elements: oneChunk },
  drop: { flow: () => numbers().drop(2), elements: inChunks(2) },
  scan: { flow: () => numbers().scan(0, (_, n) => n), elements: oneChunk },
  statefulMap: {
    flow: () =>
      numbers().statefulMap(
        () => 0,
        (state, n) => [state, n],
      ),
    elements: oneChunk,
  },
  grouped: { flow: () => numbers().grouped(10), elements: inChunks(10) },
  groupedWithin: { flow: () => numbers().groupedWithin(10, 5), elements: (chunk) => 2 * (10 + chunk) },
  aggregateWithBoundary: {
    flow: () =>
      numbers().aggregateWithBoundary<readonly number[], readonly number[]>(
        () => [],
        (kept, n) => [[...kept, n], kept.length === 9],
        (kept) => kept,
      ),
    elements: (chunk) => 2 * (10 + chunk),
  },
  batch: {
    flow: () =>
      numbers().batch(
        10,
        (n) => [n],
        (kept, n) => [...kept, n],
      ),
    elements: (chunk) => 2 * (10 + chunk),
  },
  buffer: { flow: () => numbers().buffer(10), elements: (chunk) => 10 + 2 * chunk },
  throttle: { flow: () => numbers().throttle({ elements: 3, perMs: 1 }), elements: twoChunks },
  groupBy: {
    flow: () =>
      numbers()
        .groupBy(2, half)
        .map((n) => n)
        .mergeSubstreams(),
    elements: inChunks(1024),
  },
  "groupBy with mapAsync(1)": {
    flow: (call) => numbers().groupBy(2, half).mapAsync(1, call).mergeSubstreams(),
    // Each group may have taken as much as waits.
    elements: inChunks((1 + 2) * 1024),
    // Of each group: what it may hold, what the stage has taken of it, and what downstream has.
    calls: 2 * (1 + 1) + one,
  },
  merge: { flow: () => numbers().merge(Source.empty<number>()), elements: oneChunk },
  mergeMat: { flow: () => numbers().mergeMat(Source.empty<number>(), Keep.left), elements: oneChunk },
  concatMat: { flow: () => numbers().concatMat(Source.empty<number>(), Keep.left), elements: oneChunk },
  zipMat: {
    flow: () =>
      numbers().zipMat(
        Source.unfold(0, (n) => [n + 1, n]),
        Keep.left,
      ),
    elements: oneChunk,
  },
  concat: { flow: () => numbers().concat(Source.empty<number>()), elements: oneChunk },
  zip: { flow: () => numbers().zip(Source.unfold(0, (n) => [n + 1, n])), elements: oneChunk },
  broadcast: { flow: () => numbers().broadcast([numbers(), numbers()], Join.merge()), elements: oneChunk },
  "broadcast, zipped": {
    flow: () => numbers().broadcast([numbers(), numbers()], Join.zip<number>()),
    elements: oneChunk,
  },
  partition: { flow: () => numbers().partition([numbers(), numbers()], half, Join.merge()), elements: twoChunks },
  divertTo: { flow: () => numbers().divertTo(Sink.ignore, (n) => n % 2 === 1), elements: withDiverted },
  divertToMat: {
    flow: () => numbers().divertToMat(Sink.ignore, (n) => n % 2 === 1, Keep.left),
    elements: withDiverted,
  },
  alsoTo: { flow: () => numbers().alsoTo(Sink.ignore), elements: twoChunks },
  alsoToMat: { flow: () => numbers().alsoToMat(Sink.ignore, Keep.left), elements: twoChunks },
  recover: { flow: () => numbers().recover(() => 0), elements: oneChunk },
  via: { flow: () => numbers().via(numbers()), elements: oneChunk },
  viaMat: { flow: () => numbers().viaMat(numbers(), Keep.left), elements: oneChunk },
  log: { flow: () => numbers().log("bound", { logger: silent }), elements: oneChunk },
  watchTermination: { flow: () => numbers().watchTermination(Keep.left), elements: oneChunk },
};

/** Why an operator is not in the table. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  "takes everything before it emits": "fold reduce",
  "never backpressures, as its page says": "conflate",
  "is no stage": "mapMaterializedValue withAttributes",
  "is the way operators are added": "constructor apply stage fanIn derive",
};

interface Upstream {
  readonly source: Source<number>;
  readonly taken: () => number;
}

/** Endless, in chunks of a size, each at once or in a turn of its own. */
const upstreamOf = (size: number, later: boolean): Upstream => {
  let taken = 0;
  const next = (): Chunk<number> => Array.from({ length: size }, () => taken++);
  const stage: SourceStage<number, void> = {
    name: "endless",
    create() {
      let ended = false;
      let ready: Chunk<number> | undefined;
      const outlet = {
        pull(wake: () => void) {
          if (ended) return DONE;
          if (!later) return next();
          const chunk = ready;
          ready = undefined;
          if (chunk) return chunk;
          nextTurn(() => {
            if (ended) return;
            ready = next();
            wake();
          });
          return WAIT;
        },
        cancel() {
          ended = true;
        },
      };
      return { outlet, mat: undefined };
    },
  };
  return { source: Source.fromStage(stage), taken: () => taken };
};

/** What had been taken and called when downstream had taken one chunk and stalled for long. */
const stalled = async (
  through: (source: Source<number>, call: Call) => Source<unknown>,
  upstream: Upstream,
): Promise<{ readonly taken: number; readonly calls: number }> => {
  const clock = virtualClock();
  let calls = 0;
  const call: Call = (n) => {
    calls += 1;
    return new Promise((resolve) => void clock.schedule(1, () => resolve(n)));
  };
  const sink = through(upstream.source, call).runWith(sinkProbe<unknown>(), { clock });
  sink.request();
  for (let ms = 0; ms < 40; ms++) {
    await settle(1);
    await clock.advance(1);
  }
  expect(sink.received).not.to.deep.equal([]);
  sink.cancel();
  await clock.advance(10);
  return { taken: upstream.taken(), calls };
};

/** What the windows of calls have in common on both surfaces; the other operators with context are made of the plain ones. */
interface Calling<Self> {
  mapAsync(parallelism: number, f: Call): Self;
  mapAsyncUnordered(parallelism: number, f: Call): Self;
  mapAsyncPartitioned(
    parallelism: number,
    key: (n: number) => number,
    f: Call,
    options: { readonly waiting: number },
  ): Self;
  mapAsyncPartitionedUnordered(
    parallelism: number,
    key: (n: number) => number,
    f: Call,
    options: { readonly waiting: number },
  ): Self;
}

type WithContext = FlowWithContext<number, number>;

const WITH_CONTEXT: Readonly<Record<string, (flow: Calling<WithContext>, call: Call) => WithContext>> = {
  "mapAsync(4)": (flow, call) => flow.mapAsync(4, call),
  "mapAsyncUnordered(4)": (flow, call) => flow.mapAsyncUnordered(4, call),
  "mapAsyncPartitioned(4, waiting: 3)": (flow, call) => flow.mapAsyncPartitioned(4, itself, call, { waiting: 3 }),
  "mapAsyncPartitionedUnordered(4, waiting: 3)": (flow, call) =>
    flow.mapAsyncPartitionedUnordered(4, itself, call, { waiting: 3 }),
};

const CHUNKS = [
  { size: 1, later: false },
  { size: 7, later: false },
  { size: 64, later: false },
  { size: 1, later: true },
  { size: 7, later: true },
];

describe("a downstream that stalls", () => {
  it("is tried on every operator there is", () => {
    const known = new Set([
      ...Object.keys(ROWS).map((row) => row.split(/[ (,]/)[0]),
      ...Object.values(LEFT_OUT).flatMap((names) => names.split(" ")),
    ]);
    const unknown = [...operatorsOf(Operators), ...operatorsOf(OperatorsWithContext)].filter(
      (name) => !known.has(name),
    );
    expect(unknown, "put each into ROWS with its bound, or into LEFT_OUT with its reason").to.deep.equal([]);
  });

  for (const { size, later } of CHUNKS) {
    const chunks = `chunks of ${size}${later ? ", each later" : ""}`;
    for (const [name, { flow, elements, calls = 0 }] of Object.entries(ROWS)) {
      it(`holds ${name} back at its bound, with ${chunks}`, async () => {
        const seen = await stalled((source, call) => source.via(flow(call)), upstreamOf(size, later));
        expect(seen.taken, "elements taken from upstream").to.be.at.most(elements(size));
        expect(seen.calls, "calls made").to.be.at.most(calls);
      });
    }
    for (const [name, through] of Object.entries(WITH_CONTEXT)) {
      const { elements, calls = 0 } = ROWS[name] as Row;
      it(`holds ${name} with context back at its bound, with ${chunks}`, async () => {
        const claims = recordingClaims();
        const cell = (value: number): WithClaim<number> => ({ value, claim: claims.open() });
        const seen = await stalled(
          (source, call) =>
            SourceWithContext.fromSource(source.map(cell))
              .via(through(FlowWithContext.of<number>(), call))
              .discardContext(),
          upstreamOf(size, later),
        );
        expect(seen.taken, "elements taken from upstream").to.be.at.most(elements(size));
        expect(seen.calls, "calls made").to.be.at.most(calls);
      });
    }
  }
});
