import { Sink, Source } from "@millrace/streams";
import { assertAllClosed, settle, sinkProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { asItIs, eachSeed, latch } from "../../support/runs.js";
import { LONGEST_TURN_MS, turnsOf } from "../../../../../test/support/spun-time.js";
import { unhandledRejections } from "../../../../../test/support/unhandled.js";

const boom = new Error("boom");

const failingAfter = async function* (...elements: readonly number[]): AsyncGenerator<number> {
  yield* elements;
  throw boom;
};

/** An async iterable of 0, 1, 2… whose parts a test replaces. */
const handMade = (parts: Partial<AsyncIterator<number>>): AsyncIterable<number> => ({
  [Symbol.asyncIterator]: () => {
    let next = 0;
    return { next: async () => ({ done: false, value: next++ }), ...parts };
  },
});

describe("Source.from an async iterable", () => {
  it(
    "fails with what the iterator rejects with, after the elements before it",
    eachSeed(async (options) => {
      const sink = Source.from(failingAfter(1, 2)).runWith(sinkProbe<number>(), options);
      await sink.expectNext(1, 2);
      expect(await sink.expectError()).to.equal(boom);
    }),
  );

  it(
    "fails with what making the iterator or its next() throws at once",
    asItIs(async (options) => {
      const unmade: AsyncIterable<number> = {
        [Symbol.asyncIterator]: () => {
          throw boom;
        },
      };
      expect(await Source.from(unmade).runWith(sinkProbe<number>(), options).expectError()).to.equal(boom);
      const throwing = handMade({
        next: () => {
          throw boom;
        },
      });
      expect(await Source.from(throwing).runWith(sinkProbe<number>(), options).expectError()).to.equal(boom);
    }),
  );

  it("fails the stream with what closing the iterator rejects with, or throws at once", () =>
    assertAllClosed(async () => {
      const rejecting = handMade({ return: () => Promise.reject(boom) });
      const throwing = handMade({
        return: () => {
          throw boom;
        },
      });
      for (const elements of [rejecting, throwing]) {
        const source = Source.from(elements);
        for (const end of [source.runWith(Sink.head()), source.take(2).runWith(Sink.toArray())]) {
          expect(await end.catch((error: unknown) => error)).to.equal(boom);
        }
      }
    }));

  it("ignores an element, and a failure, that comes after it was cancelled", async () => {
    const unheard = await unhandledRejections(async () => {
      const step = latch<IteratorResult<number>>();
      const sink = Source.from(handMade({ next: () => step.promise })).runWith(sinkProbe<number>());
      await sink.expectNothing();
      sink.cancel();
      step.reject(boom);
      await settle();
      expect(sink.received).to.deep.equal([]);
    });
    expect(unheard).to.deep.equal([]);
  });

  it(
    "runs the finally of a generator that is left early",
    eachSeed(async (options) => {
      let closed = false;
      const generator = async function* (): AsyncGenerator<number> {
        try {
          for (let n = 0; ; n++) yield n;
        } finally {
          closed = true;
        }
      };
      expect(await Source.from(generator()).take(2).runWith(Sink.toArray(), options)).to.deep.equal([0, 1]);
      expect(closed).to.equal(true);
    }),
  );

  it(
    "does not start an iterator that nobody asks",
    asItIs(async (options) => {
      let made = 0;
      const source = Source.from<number>({
        [Symbol.asyncIterator]: () => {
          made += 1;
          return { next: async () => ({ done: true, value: undefined }) };
        },
      });
      const sink = source.runWith(sinkProbe<number>(), options);
      await settle();
      expect(made).to.equal(0);
      sink.cancel();
    }),
  );

  it(
    "calls next() once at a time, and only when downstream asks",
    asItIs(async (options) => {
      let open = 0;
      let calls = 0;
      const elements = handMade({
        next: async () => {
          open += 1;
          calls += 1;
          expect(open).to.equal(1);
          await settle(1);
          open -= 1;
          return { done: false, value: calls };
        },
      });
      const sink = Source.from(elements).runWith(sinkProbe<number>(), options);
      await sink.expectNext(1, 2);
      await settle();
      expect(calls).to.equal(2);
      sink.cancel();
    }),
  );

  it(
    "gives every element and completes",
    eachSeed(async (options) => {
      const generator = async function* (): AsyncGenerator<number | undefined> {
        yield 1;
        await settle(1);
        yield undefined;
        yield 3;
      };
      expect(await Source.from(generator()).runWith(Sink.toArray(), options)).to.deep.equal([1, undefined, 3]);
    }),
  );

  it(
    "takes another source for an async iterable",
    eachSeed(async (options) => {
      const inner = Source.from([1, 2, 3]).map((n) => n * 2);
      expect(await Source.from(inner).runWith(Sink.toArray(), options)).to.deep.equal([2, 4, 6]);
    }),
  );

  it("lets others have their turn although its promises are always settled", async () => {
    const elementMs = 0.01;
    const { longest, all } = await turnsOf((time) =>
      Source.from(handMade({}))
        .take(5000)
        .runWith(Sink.forEach(() => time.spend(elementMs))),
    );
    expect(all, "ms in all").to.be.at.least(5000 * elementMs - 0.1);
    expect(longest, "ms of the longest turn").to.be.below(LONGEST_TURN_MS);
  });
});
