import { Flow, Join, Sink, Source, Supervision } from "@millrace/streams";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { LONGEST_TURN_MS, type SpunTime, turnsOf } from "../../../../test/support/spun-time.js";

/** So long each element takes, and a flood in all. */
const ELEMENT_MS = 0.01;
const FLOOD_MS = 50;

/** Whether there is more; takes the time of an element. */
type More = () => boolean;

const floodIn = (time: SpunTime): More => {
  const end = time.now() + FLOOD_MS;
  return () => {
    time.spend(ELEMENT_MS);
    return time.now() < end;
  };
};

function* steps(more: More): Iterator<number> {
  for (let n = 0; more(); n++) yield n;
}

/** Synchronous, and endless until the time is up. */
const flood = (more: More): Source<number> => Source.unfold(0, (n) => (more() ? [n + 1, n] : undefined));

async function* asyncFlood(more: More): AsyncIterable<number> {
  yield* { [Symbol.iterator]: () => steps(more) };
}

const numbers = (): Flow<number, number> => Flow.of<number>();

const FLOODS: Readonly<Record<string, (more: More) => Source<unknown>>> = {
  "a chain of synchronous operators": (more) =>
    flood(more)
      .map((n) => n + 1)
      .filter((n) => n % 2 === 0)
      .scan(0, (sum, n) => sum + n),
  "a filter that drops everything": (more) => flood(more).filter(() => false),
  "collect that drops everything": (more) => flood(more).collect(() => undefined),
  "mapConcat of empty answers": (more) => flood(more).mapConcat(() => []),
  "mapConcat of an endless answer": (more) =>
    Source.single(0).mapConcat(() => ({ [Symbol.iterator]: () => steps(more) })),
  "a fold": (more) => flood(more).fold(0, (sum, n) => sum + n),
  "drop of more than there is": (more) => flood(more).drop(Number.MAX_SAFE_INTEGER),
  "mapAsync with results at hand": (more) => flood(more).mapAsync(8, (n) => n),
  "mapAsync with settled promises": (more) => flood(more).mapAsync(8, (n) => Promise.resolve(n)),
  "mapAsyncUnordered with settled promises": (more) => flood(more).mapAsyncUnordered(8, (n) => Promise.resolve(n)),
  "mapAsyncPartitioned with settled promises": (more) =>
    flood(more).mapAsyncPartitioned(
      8,
      (n) => n % 5,
      (n) => Promise.resolve(n),
    ),
  "mapAsyncPartitionedUnordered with one key": (more) =>
    flood(more).mapAsyncPartitionedUnordered(
      8,
      () => 0,
      (n) => (n % 2 === 0 ? n : Promise.resolve(n)),
    ),
  "statefulMap whose every element is dropped": (more) =>
    flood(more)
      .statefulMap(
        () => 0,
        (): [number, number] => {
          throw new Error("dropped");
        },
      )
      .withAttributes({ supervision: Supervision.resumingDecider }),
  "a partition into flows that have all they want": (more) =>
    flood(more).partition([numbers().take(0), numbers().fold(0, () => 0)], () => 0, Join.merge()),
  "a buffer": (more) => flood(more).buffer(64),
  "a batch": (more) =>
    flood(more).batch(
      64,
      () => 1,
      (count) => count + 1,
    ),
  conflate: (more) => flood(more).conflate((kept) => kept),
  "a buffer that drops": (more) => flood(more).buffer(4, "dropHead"),
  grouped: (more) => flood(more).grouped(100),
  merge: (more) => flood(more).merge(flood(more)),
  zip: (more) => flood(more).zip(flood(more)),
  "concat of many": (more) =>
    Array.from({ length: 20 }, () => flood(more).take(300)).reduce((before, next) => before.concat(next)),
  broadcast: (more) => flood(more).broadcast([numbers(), numbers().filter(() => false)], Join.merge<number>()),
  alsoTo: (more) => flood(more).alsoTo(Sink.ignore),
  groupBy: (more) =>
    flood(more)
      .groupBy(4, (n) => n % 4)
      .map((n) => n)
      .mergeSubstreams(),
  "an async iterable of settled promises": (more) => Source.from(asyncFlood(more)),
};

const expectShort = async (run: (more: More) => PromiseLike<unknown>): Promise<void> => {
  const { longest, all } = await turnsOf((time) => run(floodIn(time)));
  expect(all, "ms for which the flood was on").to.be.at.least(FLOOD_MS);
  expect(longest, "ms of the longest turn of the event loop").to.be.below(LONGEST_TURN_MS);
};

describe("a flood does not hold the event loop", () => {
  for (const [name, source] of Object.entries(FLOODS))
    it(`through ${name}`, () => assertAllClosed(() => expectShort((more) => source(more).runWith(Sink.ignore))));

  it("out of a for await loop", () =>
    assertAllClosed(() =>
      expectShort(async (more) => {
        for await (const _ of flood(more));
      }),
    ));

  it("of many streams together", () =>
    assertAllClosed(() =>
      expectShort((more) => Promise.all(Array.from({ length: 20 }, () => flood(more).runWith(Sink.ignore)))),
    ));
});
