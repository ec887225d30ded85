import { Sink, Source } from "@millrace/streams";
import { nextTurn } from "@millrace/streams/stage";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { type SpunTime, withSpunTime } from "../../../../test/support/spun-time.js";

/** So long each element takes, and all together. */
const ELEMENT_MS = 0.002;
const TOTAL_MS = 150;

const turn = (): Promise<void> => new Promise((resolve) => nextTurn(resolve));

const hot = (): Source<number> => Source.unfold(0, (n) => [n + 1, n]);

/** From a stage that asks nobody how much to give. */
const ownStage: Source<number> = Source.fromStage({
  name: "own",
  create: () => ({ outlet: { pull: () => [1], cancel: () => undefined }, mat: undefined }),
});

/** `work` is called with each element, and tells whether to go on. */
type Work = () => boolean;

const kinds: Readonly<Record<string, (work: Work) => Source<unknown>>> = {
  "a synchronous one": (work) => hot().takeWhile(work),
  "one that drops everything": (work) =>
    hot()
      .takeWhile(work)
      .filter(() => false),
  "one that conflates": (work) =>
    hot()
      .takeWhile(work)
      .conflate((kept) => kept),
  "one with an asynchronous function": (work) =>
    hot()
      .mapAsync(4, async () => work())
      .takeWhile((goOn) => goOn),
  "one with keyed asynchronous functions": (work) =>
    hot()
      .mapAsyncPartitioned(
        4,
        (n) => n % 4,
        async () => work(),
      )
      .takeWhile((goOn) => goOn),
  "one whose function waits for the event loop": (work) =>
    hot()
      .mapAsync(16, async () => {
        await turn();
        return work();
      })
      .takeWhile((goOn) => goOn),
  "one whose function waits for the event loop more than once": (work) =>
    hot()
      .mapAsync(32, async () => {
        await turn();
        await turn();
        return work();
      })
      .takeWhile((goOn) => goOn),
  "one behind a long chain": (work) => {
    let chain = ownStage.takeWhile(work);
    for (let stage = 0; stage < 50; stage++) chain = chain.map((n) => n);
    return chain;
  },
  "an async iterable": (work) =>
    Source.from(
      (async function* () {
        while (work()) yield 1;
      })(),
    ),
  groups: (work) =>
    hot()
      .takeWhile(work)
      .groupBy(4, (n) => n % 4)
      .map((n) => n)
      .mergeSubstreams(),
};

/** Runs until the time is up and answers what each has had of it, in fair shares. */
const sharesOf = (
  parts: number,
  run: (work: readonly Work[], time: SpunTime) => Promise<unknown>,
): Promise<readonly number[]> =>
  withSpunTime(async (time) => {
    const end = time.now() + TOTAL_MS;
    const used = Array.from({ length: parts }, () => 0);
    const work = used.map((_, part) => () => {
      if (time.now() >= end) return false;
      used[part] = (used[part] as number) + ELEMENT_MS;
      time.spend(ELEMENT_MS);
      return true;
    });
    await run(work, time);
    return used.map((ms) => ms / (TOTAL_MS / parts));
  });

const expectFair = (shares: readonly number[]): void => {
  for (const share of shares)
    expect(share, `of [${shares.map((each) => each.toFixed(2)).join(", ")}]`).to.be.above(0.25);
};

/** Runs all until the time is up. */
const side = (sources: readonly ((work: Work) => Source<unknown>)[]): Promise<readonly number[]> =>
  sharesOf(sources.length, (work) =>
    Promise.all(sources.map((source, part) => source(work[part] as Work).runWith(Sink.ignore))),
  );

describe("streams that are busy at the same time", () => {
  const synchronous = kinds["a synchronous one"] as (work: Work) => Source<unknown>;

  for (const [name, kind] of Object.entries(kinds)) {
    it(`leave each its share: a hot one and ${name}`, () =>
      assertAllClosed(async () => {
        expectFair(await side([synchronous, kind]));
        expectFair(await side([kind, synchronous]));
      }));

    it(`leave each its share: nine hot ones and ${name}`, () =>
      assertAllClosed(async () => expectFair(await side([...Array.from({ length: 9 }, () => synchronous), kind]))));
  }

  it("leave each its share: all kinds together", () =>
    assertAllClosed(async () => expectFair(await side([...Object.values(kinds)]))));

  it("leave a loop over a stream its share", () =>
    assertAllClosed(async () => {
      const shares = await sharesOf(2, async (work) => {
        const loop = async (): Promise<void> => {
          for await (const _ of hot()) if (!work[1]?.()) break;
        };
        await Promise.all([synchronous(work[0] as Work).runWith(Sink.ignore), loop()]);
      });
      expectFair(shares);
    }));

  it("hold the event loop no longer together than one may alone", () =>
    assertAllClosed(() =>
      withSpunTime(async (time) => {
        const end = time.now() + TOTAL_MS;
        const work = (): boolean => {
          time.spend(ELEMENT_MS);
          return time.now() < end;
        };
        const streams = Promise.all(
          [...Object.values(kinds), ...Object.values(kinds)].map((kind) => kind(work).runWith(Sink.ignore)),
        );
        let longest = 0;
        while (time.now() < end) {
          const before = time.now();
          await turn();
          longest = Math.max(longest, time.now() - before);
        }
        await streams;
        // What the functions do by themselves in a turn comes on top.
        expect(longest).to.be.below(4);
      }),
    ));
});

describe("inlets of a merge that are busy at the same time", () => {
  // One that conflates reads whether it is asked or not, so that no merge holds it back.
  const held = Object.entries(kinds).filter(([name]) => name !== "one that conflates");
  for (const [name, kind] of held) {
    const merged = (
      order: (hot: Source<unknown>, other: Source<unknown>) => Source<unknown>,
    ): Promise<readonly number[]> =>
      sharesOf(2, (work) => order(hot().takeWhile(work[0] as Work), kind(work[1] as Work)).runWith(Sink.ignore));

    it(`have each its share: a hot one and ${name}`, () =>
      assertAllClosed(async () => {
        expectFair(await merged((one, other) => one.merge(other)));
        expectFair(await merged((one, other) => other.merge(one)));
      }));
  }

  it("have each its share: two hot ones and one that waits for the event loop", () =>
    assertAllClosed(async () => {
      const waiting = kinds["one whose function waits for the event loop"] as (work: Work) => Source<unknown>;
      const shares = await sharesOf(3, (work) => {
        const [first, second, third] = work as [Work, Work, Work];
        return hot().takeWhile(first).merge(waiting(second)).merge(hot().takeWhile(third)).runWith(Sink.ignore);
      });
      expectFair(shares);
    }));

  it("have each its share although the first element of one takes as long as all the others", () =>
    assertAllClosed(() =>
      withSpunTime(async (time) => {
        const parts = 3;
        const each = 10_000;
        const given = Array.from({ length: parts }, () => 0);
        const inlet = (part: number): Source<number> => hot().map(() => part);
        await inlet(0)
          .merge(inlet(1))
          .merge(inlet(2))
          .take(parts * each)
          .runWith(
            Sink.forEach((part) => {
              time.spend(part === 0 && given[0] === 0 ? parts * each * ELEMENT_MS : ELEMENT_MS);
              given[part] = (given[part] as number) + 1;
            }),
          );
        expectFair(given.map((elements) => elements / each));
      }),
    ));
});
