import { Flow, Join, Sink, Source, SourceWithContext } from "@millrace/streams";
import { nextTurn } from "@millrace/streams/stage";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { withSpunTime } from "../../../../test/support/spun-time.js";

const ELEMENTS = 1200;
/** Elements of a millisecond each between two turns of the event loop. */
const MOST = 16;

const elements = Array.from({ length: ELEMENTS }, (_, index) => index);
const turn = (): Promise<void> => new Promise((resolve) => nextTurn(resolve));

const withContext = (source: Source<number>): SourceWithContext<number> =>
  SourceWithContext.fromSource(
    source.map((value) => ({
      value,
      claim: { share: () => undefined, end: () => undefined, at: () => undefined },
    })),
  );

/** Takes a millisecond. */
type Slow = <A>(value: A) => A;

const slowBehind: Readonly<Record<string, (source: Source<number>, slow: Slow) => Promise<unknown>>> = {
  map: (source, slow) => source.map(slow).runWith(Sink.ignore),
  "map on small chunks": (source, slow) => source.withAttributes({ chunkElements: 4 }).map(slow).runWith(Sink.ignore),
  filter: (source, slow) => source.filter((n) => slow(n) % 2 === 0).runWith(Sink.ignore),
  "filter that drops everything": (source, slow) => source.filter((n) => slow(n) < 0).runWith(Sink.ignore),
  collect: (source, slow) => source.collect((n) => slow(n)).runWith(Sink.ignore),
  mapConcat: (source, slow) => source.mapConcat((n) => [slow(n)]).runWith(Sink.ignore),
  "mapConcat that gives nothing": (source, slow) => source.mapConcat((n) => (slow(n), [])).runWith(Sink.ignore),
  scan: (source, slow) => source.scan(0, (sum, n) => sum + slow(n)).runWith(Sink.ignore),
  fold: (source, slow) => source.fold(0, (sum, n) => sum + slow(n)).runWith(Sink.ignore),
  reduce: (source, slow) => source.reduce((sum, n) => sum + slow(n)).runWith(Sink.ignore),
  takeWhile: (source, slow) => source.takeWhile((n) => slow(n) >= 0).runWith(Sink.ignore),
  statefulMap: (source, slow) =>
    source
      .statefulMap(
        () => 0,
        (sum, n) => [sum + slow(n), n],
      )
      .runWith(Sink.ignore),
  "mapAsync with an async function": (source, slow) => source.mapAsync(4, async (n) => slow(n)).runWith(Sink.ignore),
  "mapAsync without a promise": (source, slow) => source.mapAsync(4, (n) => slow(n)).runWith(Sink.ignore),
  mapAsyncUnordered: (source, slow) => source.mapAsyncUnordered(4, async (n) => slow(n)).runWith(Sink.ignore),
  mapAsyncPartitioned: (source, slow) =>
    source
      .mapAsyncPartitioned(
        4,
        (n) => n % 8,
        async (n) => slow(n),
      )
      .runWith(Sink.ignore),
  "the key of mapAsyncPartitioned": (source, slow) =>
    source
      .mapAsyncPartitioned(
        4,
        (n) => slow(n) % 8,
        (n) => n,
      )
      .runWith(Sink.ignore),
  batch: (source, slow) =>
    source
      .batch(
        100,
        (n) => n,
        (sum, n) => sum + slow(n),
      )
      .runWith(Sink.ignore),
  conflate: (source, slow) => source.conflate((sum, n) => sum + slow(n)).runWith(Sink.ignore),
  "the key of groupBy": (source, slow) =>
    source
      .groupBy(9, (n) => slow(n) % 9)
      .mergeSubstreams()
      .runWith(Sink.ignore),
  "a group": (source, slow) =>
    source
      .groupBy(9, (n) => n % 9)
      .map(slow)
      .mergeSubstreams()
      .runWith(Sink.ignore),
  "a group behind an asynchronous stage": (source, slow) =>
    source
      .groupBy(200, (n) => n % 200)
      .mapAsync(1, async (n) => n)
      .map(slow)
      .mergeSubstreams()
      .runWith(Sink.ignore),
  "a group that drops everything": (source, slow) =>
    source
      .groupBy(9, (n) => n % 9)
      .filter((n) => slow(n) < 0)
      .mergeSubstreams()
      .runWith(Sink.ignore),
  partition: (source, slow) =>
    source.partition([Flow.of<number>(), Flow.of<number>()], (n) => slow(n) % 2, Join.merge()).runWith(Sink.ignore),
  "a branch of partition": (source, slow) =>
    source.partition([Flow.of<number>().map(slow), Flow.of<number>()], (n) => n % 2, Join.merge()).runWith(Sink.ignore),
  divertTo: (source, slow) => source.divertTo(Sink.ignore, (n) => slow(n) % 2 === 0).runWith(Sink.ignore),
  "a side branch": (source, slow) => source.alsoTo(Flow.of<number>().map(slow).to(Sink.ignore)).runWith(Sink.ignore),
  "a merge": (source, slow) => source.merge(source).take(ELEMENTS).map(slow).runWith(Sink.ignore),
  "an inlet of a merge": (source, slow) => source.map(slow).merge(source).runWith(Sink.ignore),
  "a zip": (source, slow) => source.zip(source).map(slow).runWith(Sink.ignore),
  "a concat": (source, slow) => source.concat(source).take(ELEMENTS).map(slow).runWith(Sink.ignore),
  "a long answer of mapConcat": (source, slow) =>
    source
      .grouped(ELEMENTS)
      .mapConcat((group) => group)
      .map(slow)
      .runWith(Sink.ignore),
  "many results of mapAsync at once": (source, slow) =>
    source
      .mapAsync(1000, async (n) => {
        await turn();
        return n;
      })
      .map(slow)
      .runWith(Sink.ignore),
  "a full buffer": (source, slow) => source.buffer(1000).map(slow).runWith(Sink.ignore),
  "what a throttle lets through at once": (source, slow) =>
    source.throttle({ elements: ELEMENTS, perMs: 1, maximumBurst: ELEMENTS }).map(slow).runWith(Sink.ignore),
  "map with context": (source, slow) => withContext(source).map(slow).discardContext().runWith(Sink.ignore),
  "mapConcat with context": (source, slow) =>
    withContext(source)
      .mapConcat((n) => [slow(n)])
      .discardContext()
      .runWith(Sink.ignore),
  "mapAsync with context": (source, slow) =>
    withContext(source)
      .mapAsync(4, async (n) => slow(n))
      .discardContext()
      .runWith(Sink.ignore),
  "a group with context": (source, slow) =>
    withContext(source)
      .groupBy(9, (n) => n % 9)
      .map(slow)
      .mergeSubstreams()
      .discardContext()
      .runWith(Sink.ignore),
  "Sink.forEach": (source, slow) => source.runWith(Sink.forEach((n) => void slow(n))),
  "Sink.fold": (source, slow) => source.runWith(Sink.fold(0, (sum, n) => sum + slow(n))),
  "the body of a loop": async (source, slow) => {
    for await (const n of source) slow(n);
  },
};

const sources: Readonly<Record<string, (slow: Slow) => Promise<unknown>>> = {
  "the function of unfold": (slow) =>
    Source.unfold(0, (n) => (n < ELEMENTS ? [n + 1, slow(n)] : undefined)).runWith(Sink.ignore),
  "an iterator": (slow) =>
    Source.from(
      (function* () {
        for (const n of elements) yield slow(n);
      })(),
    ).runWith(Sink.ignore),
  "an async iterator": (slow) =>
    Source.from(
      (async function* () {
        for (const n of elements) yield slow(n);
      })(),
    ).runWith(Sink.ignore),
  "map behind an async iterator": (slow) =>
    Source.from(
      (async function* () {
        yield* elements;
      })(),
    )
      .map(slow)
      .runWith(Sink.ignore),
  "map behind a queue that was filled at once": (slow) => {
    const [queue, done] = Source.queue<number>(ELEMENTS)
      .map(slow)
      .toMat(Sink.ignore, (left, right) => [left, right] as const)
      .run();
    for (const n of elements) queue.offer(n);
    queue.complete();
    return done;
  },
};

const mostInATurn = (run: (slow: Slow) => Promise<unknown>): Promise<{ readonly most: number; readonly all: number }> =>
  withSpunTime(async (time) => {
    let all = 0;
    let ended = false;
    const done = run((value) => {
      all += 1;
      time.spend(1);
      return value;
    }).finally(() => {
      ended = true;
    });
    let most = 0;
    while (!ended) {
      const before = all;
      await turn();
      most = Math.max(most, all - before);
    }
    await done;
    return { most, all };
  });

const expectFew = (run: (slow: Slow) => Promise<unknown>): Promise<void> =>
  assertAllClosed(async () => {
    const { most, all } = await mostInATurn(run);
    expect(all).to.be.at.least(ELEMENTS / 2);
    expect(most).to.be.within(1, MOST);
  });

describe(`a function that takes a millisecond handles at most ${MOST} elements in a turn of the event loop`, () => {
  for (const [name, run] of Object.entries(slowBehind))
    it(name, () => expectFew((slow) => run(Source.from(elements), slow)));
  for (const [name, run] of Object.entries(sources)) it(name, () => expectFew(run));
});
