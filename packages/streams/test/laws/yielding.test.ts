import { Flow, Join, Keep, KillSwitches, Sink, Source, Supervision } from "@millrace/streams";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";

/** A stream that holds the event loop ends by itself after this long, so that the test can say so. */
const PATIENCE_MS = 1500;

/** Turns of the event loop that must pass while the flood is on. */
const TURNS = 8;

/** A flood: synchronous, endless for as long as the test has patience. */
const flood = (): Source<number> => {
  const end = performance.now() + PATIENCE_MS;
  return Source.unfold(0, (n) => (n % 64 === 0 && performance.now() > end ? undefined : [n + 1, n]));
};

async function* asyncFlood(): AsyncIterable<number> {
  const end = performance.now() + PATIENCE_MS;
  for (let n = 0; n % 64 !== 0 || performance.now() < end; n++) yield n;
}

const numbers = (): Flow<number, number> => Flow.of<number>();

const FLOODS: Readonly<Record<string, () => Source<unknown>>> = {
  "a chain of synchronous operators": () =>
    flood()
      .map((n) => n + 1)
      .filter((n) => n % 2 === 0)
      .scan(0, (sum, n) => sum + n),
  "a filter that drops everything": () => flood().filter(() => false),
  "collect that drops everything": () => flood().collect(() => undefined),
  "mapConcat of empty answers": () => flood().mapConcat(() => []),
  "mapConcat of an endless answer": () => Source.single(0).mapConcat(() => ({ [Symbol.iterator]: () => steps() })),
  "a fold": () => flood().fold(0, (sum, n) => sum + n),
  "drop of more than there is": () => flood().drop(Number.MAX_SAFE_INTEGER),
  // Streams yield between chunks: a function that needs a millisecond holds the loop for as many as a chunk has elements.
  "slow functions on small chunks": () =>
    flood()
      .withAttributes({ chunkElements: 4 })
      .map((n) => {
        const end = performance.now() + 1;
        while (performance.now() < end);
        return n;
      }),
  "mapAsync with results at hand": () => flood().mapAsync(8, (n) => n),
  "mapAsync with settled promises": () => flood().mapAsync(8, (n) => Promise.resolve(n)),
  "mapAsyncUnordered with settled promises": () => flood().mapAsyncUnordered(8, (n) => Promise.resolve(n)),
  "mapAsyncPartitioned with settled promises": () =>
    flood().mapAsyncPartitioned(
      8,
      (n) => n % 5,
      (n) => Promise.resolve(n),
    ),
  "mapAsyncPartitionedUnordered with one key": () =>
    flood().mapAsyncPartitionedUnordered(
      8,
      () => 0,
      (n) => (n % 2 === 0 ? n : Promise.resolve(n)),
    ),
  "statefulMap whose every element is dropped": () =>
    flood()
      .statefulMap(
        () => 0,
        (): [number, number] => {
          throw new Error("dropped");
        },
      )
      .withAttributes({ supervision: Supervision.resumingDecider }),
  "a partition into flows that have all they want": () =>
    flood().partition([numbers().take(0), numbers().fold(0, () => 0)], () => 0, Join.merge()),
  "a buffer": () => flood().buffer(64),
  "a batch": () =>
    flood().batch(
      64,
      () => 1,
      (count) => count + 1,
    ),
  conflate: () => flood().conflate((kept) => kept),
  "a buffer that drops": () => flood().buffer(4, "dropHead"),
  grouped: () => flood().grouped(100),
  merge: () => flood().merge(flood()),
  zip: () => flood().zip(flood()),
  "concat of many": () => flood().concat(flood()),
  broadcast: () => flood().broadcast([numbers(), numbers().filter(() => false)], Join.merge<number>()),
  alsoTo: () => flood().alsoTo(Sink.ignore),
  groupBy: () =>
    flood()
      .groupBy(4, (n) => n % 4)
      .map((n) => n)
      .mergeSubstreams(),
  "an async iterable of settled promises": () => Source.from(asyncFlood()),
};

function* steps(): Iterator<number> {
  const end = performance.now() + PATIENCE_MS;
  for (let n = 0; n % 64 !== 0 || performance.now() < end; n++) yield n;
}

/** Calls `then` after some turns, and tells how many have passed. */
const afterTurns = (then: () => void): (() => number) => {
  let turns = 0;
  const turn = (): void => {
    turns += 1;
    if (turns === TURNS) then();
    else setImmediate(turn);
  };
  setImmediate(turn);
  return () => turns;
};

describe("a flood does not hold the event loop", () => {
  for (const [name, source] of Object.entries(FLOODS)) {
    it(`through ${name}`, async () => {
      const [kill, end] = source()
        .viaMat(KillSwitches.single<unknown>(), Keep.right)
        .toMat(Sink.ignore, Keep.both)
        .run();
      const turns = afterTurns(() => kill.shutdown());
      await assertAllClosed(() => end);
      expect(turns(), "turns of the event loop while the flood was on").to.equal(TURNS);
    });
  }

  it("out of a for await loop", async () => {
    let left = false;
    const turns = afterTurns(() => {
      left = true;
    });
    await assertAllClosed(async () => {
      for await (const _ of flood()) if (left) break;
    });
    expect(turns()).to.equal(TURNS);
  });

  it("of many streams together", async () => {
    const runs = Array.from({ length: 20 }, () =>
      flood().viaMat(KillSwitches.single<number>(), Keep.right).toMat(Sink.ignore, Keep.both).run(),
    );
    const turns = afterTurns(() => {
      for (const [kill] of runs) kill.shutdown();
    });
    await assertAllClosed(() => Promise.all(runs.map(([, end]) => end)));
    expect(turns()).to.equal(TURNS);
  });
});
