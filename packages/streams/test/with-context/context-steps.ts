import { FlowWithContext, Join, Keep, type OperatorsWithContext, Source, SourceWithContext } from "@millrace/streams";
import type { Element } from "./recording-claims.js";

type ElementFlow = FlowWithContext<Element, Element, unknown>;

const elements = (): FlowWithContext<Element, Element> => FlowWithContext.of<Element>();
const silent = { debug() {}, info() {}, warn() {}, error() {} };

const joined = (group: readonly Element[]): Element => ({
  n: group.reduce((sum, each) => sum + each.n, 0),
  from: group.flatMap((each) => each.from),
});

const none = (): readonly Element[] => [];

const next = ({ n, from }: Element): Element => ({ n: n + 1, from });

const later = async (element: Element): Promise<Element> => {
  for (let turn = 0; turn < element.n % 4; turn++) await Promise.resolve();
  return next(element);
};

/** Elements without a record, so that nothing is expected of their claims. */
const others = (count: number): SourceWithContext<Element> =>
  SourceWithContext.fromSource(
    Source.from(
      Array.from({ length: count }, (_, n) => ({
        value: { n, from: [] as readonly number[] },
        claim: { share() {}, end() {}, at() {} },
      })),
    ).map((cell) => ({ ...cell })),
  );

function* several({ n, from }: Element): Iterable<Element> {
  for (let index = 0; index < n % 4; index++) yield { n: n + index, from };
}

/** One way to use an operator. */
export interface ContextStep {
  readonly flow: () => ElementFlow;
  /** Whether it may complete before upstream, and leaves open what it has not taken. */
  readonly leavesOpen?: true;
  /** Whether records may end as processed in it: in a branch beside the stream, or for want of an output. */
  readonly mayFinish?: true;
}

/** Every operator, in at least one use. */
export const STEPS: Readonly<Record<string, readonly ContextStep[]>> = {
  map: [{ flow: () => elements().map(next) }],
  filter: [{ flow: () => elements().filter(({ n }) => n % 3 !== 0) }, { flow: () => elements().filter(() => false) }],
  filterNot: [{ flow: () => elements().filterNot(({ n }) => n % 3 === 0) }],
  collect: [{ flow: () => elements().collect((each) => (each.n % 4 === 0 ? undefined : next(each))) }],
  mapConcat: [
    { flow: () => elements().mapConcat((each) => Array.from({ length: each.n % 4 }, () => each)), mayFinish: true },
    { flow: () => elements().mapConcat(several), mayFinish: true },
    { flow: () => elements().mapConcat((each) => new Set([each])) },
    { flow: () => elements().mapConcat((each) => (each.n % 50 === 1 ? Array<Element>(600).fill(each) : [each])) },
  ],
  mapAsync: [{ flow: () => elements().mapAsync(3, later) }, { flow: () => elements().mapAsync(2, next) }],
  mapAsyncUnordered: [{ flow: () => elements().mapAsyncUnordered(3, later) }],
  mapAsyncPartitioned: [{ flow: () => elements().mapAsyncPartitioned(3, ({ n }) => n % 5, later, { waiting: 2 }) }],
  mapAsyncPartitionedUnordered: [
    {
      flow: () =>
        elements().mapAsyncPartitionedUnordered(
          3,
          ({ n }) => n % 5,
          (each) => later(each),
        ),
    },
  ],
  take: [{ flow: () => elements().take(7), leavesOpen: true }],
  takeWhile: [
    { flow: () => elements().takeWhile(({ n }) => n < 60), leavesOpen: true },
    { flow: () => elements().takeWhile(({ n }) => n < 60, { inclusive: true }), leavesOpen: true },
  ],
  drop: [{ flow: () => elements().drop(5) }],
  statefulMap: [
    {
      flow: () =>
        elements().statefulMap(
          () => 0,
          (sum, each) => [sum + each.n, next(each)],
        ),
    },
  ],
  grouped: [{ flow: () => elements().grouped(3).map(joined) }, { flow: () => elements().grouped(1).map(joined) }],
  groupedWithin: [{ flow: () => elements().groupedWithin(3, 1_000).map(joined) }],
  aggregateWithBoundary: [
    {
      flow: () =>
        elements()
          .aggregateWithBoundary(none, (kept, each) => [[...kept, each], kept.length === 2], joined)
          .mapAsyncUnordered(2, later),
    },
    {
      flow: () =>
        elements().aggregateWithBoundary(none, (kept, each) => [[...kept, each], each.n % 5 === 0], joined, {
          startsNew: (kept, each) => each.n % 2 === 0 || kept.length > 3,
          emitOnTimer: { intervalMs: 1 },
        }),
    },
  ],
  batch: [
    {
      flow: () =>
        elements()
          .batch(
            4,
            (each) => [each],
            (batch, each) => [...batch, each],
          )
          .map(joined),
    },
  ],
  conflate: [{ flow: () => elements().conflate((kept, each) => joined([kept, each])) }],
  buffer: [
    { flow: () => elements().buffer(2) },
    ...(["dropHead", "dropTail", "dropBuffer", "dropNew"] as const).map((strategy) => ({
      flow: () => elements().buffer(2, strategy),
    })),
  ],
  throttle: [{ flow: () => elements().throttle({ elements: 1_000_000, perMs: 1 }) }],
  groupBy: [
    {
      flow: () =>
        elements()
          .groupBy(200, ({ n }) => n % 3)
          .map(next)
          .mergeSubstreams(),
    },
    {
      flow: () =>
        elements()
          .groupBy(3, ({ n }) => n % 3)
          .mapAsync(2, later)
          .take(2)
          .mergeSubstreams(),
    },
    {
      flow: () =>
        elements()
          .groupBy(3, ({ n }) => n % 3)
          .takeWhile(({ n }) => n < 40)
          .grouped(2)
          .map(joined)
          .mergeSubstreams(),
    },
  ],
  merge: [{ flow: () => elements().merge(others(5).take(3)) }],
  mergeMat: [{ flow: () => elements().mergeMat(others(5).take(3), Keep.right) }],
  concat: [{ flow: () => elements().concat(others(5)) }],
  concatMat: [{ flow: () => elements().concatMat(others(5), Keep.right) }],
  zipMat: [{ flow: () => elements().zipMat(others(30), Keep.right).map(joined), leavesOpen: true }],
  zip: [{ flow: () => elements().zip(others(30)).map(joined), leavesOpen: true }],
  broadcast: [
    { flow: () => elements().broadcast([elements().map(next), elements().filter(({ n }) => n > 20)], Join.merge()) },
    {
      flow: () =>
        elements()
          .broadcast([elements().map(next), elements()], Join.zip<Element>())
          .map(joined),
    },
    { flow: () => elements().broadcast([elements().take(2), elements().mapAsync(2, later)], Join.merge()) },
  ],
  partition: [
    {
      flow: () =>
        elements().partition(
          [elements().map(next), elements().mapAsync(2, later), elements().filter(() => false)],
          ({ n }) => n % 3,
          Join.merge(),
        ),
    },
    { flow: () => elements().partition([elements().take(1), elements()], ({ n }) => n % 2, Join.merge()) },
  ],
  divertTo: [{ flow: () => elements().divertTo(elements().map(next), ({ n }) => n % 3 === 0), mayFinish: true }],
  divertToMat: [
    { flow: () => elements().divertToMat(elements().take(1), ({ n }) => n % 3 === 0, Keep.right), mayFinish: true },
  ],
  alsoTo: [{ flow: () => elements().alsoTo(elements().mapAsync(2, later)), mayFinish: true }],
  alsoToMat: [{ flow: () => elements().alsoToMat(elements().take(2), Keep.right), mayFinish: true }],
  via: [{ flow: () => elements().via(elements().map(next)) }],
  viaMat: [{ flow: () => elements().viaMat(elements().map(next), Keep.right) }],
  log: [{ flow: () => elements().log("law", { logger: silent }) }],
  watchTermination: [{ flow: () => elements().watchTermination(Keep.right) }],
  mapMaterializedValue: [{ flow: () => elements().mapMaterializedValue(String) }],
  withAttributes: [{ flow: () => elements().map(next).withAttributes({ name: "law" }) }],
};

const MACHINERY = new Set(["constructor", "apply", "stage", "derive"]);

/** The operators there are. */
export const operatorsOf = (surface: {
  readonly prototype: object;
}): readonly (keyof OperatorsWithContext<never, never, never>)[] =>
  Object.getOwnPropertyNames(surface.prototype).filter((name) => !MACHINERY.has(name)) as never;
