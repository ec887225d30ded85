import { Sink, Source, StreamError } from "@millrace/streams";
import { assertAllClosed, settle, sinkProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { asItIs, eachSeed } from "../../support/runs.js";

const boom = new Error("boom");

/** An iterable that tells what was asked of it. */
class Watched implements Iterable<number> {
  steps = 0;
  closed = 0;
  readonly #length: number;
  readonly #onReturn: () => void;

  constructor(length: number, onReturn: () => void = () => undefined) {
    this.#length = length;
    this.#onReturn = onReturn;
  }

  [Symbol.iterator](): Iterator<number> {
    let next = 0;
    return {
      next: () => {
        this.steps += 1;
        return next < this.#length ? { done: false, value: next++ } : { done: true, value: undefined };
      },
      return: () => {
        this.closed += 1;
        this.#onReturn();
        return { done: true, value: undefined };
      },
    };
  }
}

describe("Source.from an iterable", () => {
  it("refuses what is no iterable when the graph is built", () => {
    for (const value of [1, undefined, null, () => 1]) {
      expect(() => Source.from(value as never))
        .to.throw(StreamError, "Source.from takes an iterable")
        .with.property("code", "NOT_A_SOURCE");
    }
  });

  it("refuses an object that is no iterable when the graph is built", () => {
    expect(() => Source.from({ length: 1 } as never))
      .to.throw(StreamError, "Source.from takes an iterable")
      .with.property("code", "NOT_A_SOURCE");
  });

  it(
    "fails with what the iterator throws, after the elements before it",
    eachSeed(async (options) => {
      const sink = Source.from(
        (function* () {
          yield 1;
          yield 2;
          throw boom;
        })(),
      ).runWith(sinkProbe<number>(), options);
      await sink.expectNext(1, 2);
      expect(await sink.expectError()).to.equal(boom);
    }),
  );

  it(
    "fails with what making the iterator throws",
    eachSeed(async (options) => {
      const broken: Iterable<number> = {
        [Symbol.iterator]: () => {
          throw boom;
        },
      };
      expect(await Source.from(broken).runWith(sinkProbe<number>(), options).expectError()).to.equal(boom);
    }),
  );

  it("fails the stream with what closing the iterator throws", () =>
    assertAllClosed(async () => {
      const elements = new Watched(9, () => {
        throw boom;
      });
      const source = Source.from(elements).withAttributes({ chunkElements: 2 });
      const leave = async (): Promise<void> => {
        for await (const element of source) {
          expect(element).to.equal(0);
          break;
        }
      };
      const ends = [() => source.runWith(Sink.head()), () => source.take(3).runWith(Sink.toArray()), leave];
      for (const end of ends) {
        expect(await Promise.resolve(end()).catch((error: unknown) => error)).to.equal(boom);
      }
      expect(elements.closed).to.equal(3);
    }));

  it(
    "closes the iterator when it is cancelled, once",
    asItIs(async (options) => {
      const elements = new Watched(10_000);
      const sink = Source.from(elements).runWith(sinkProbe<number>(), options);
      await sink.next();
      sink.cancel();
      expect(elements.closed).to.equal(1);
    }),
  );

  it(
    "runs the finally of a generator that is left early",
    asItIs(async (options) => {
      let closed = false;
      const generator = function* (): Generator<number> {
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
    "does not close an iterator that was never started, nor one that is done",
    asItIs(async (options) => {
      const unstarted = new Watched(3);
      Source.from(unstarted).runWith(sinkProbe<number>(), options).cancel();
      await settle();
      expect(unstarted).to.include({ steps: 0, closed: 0 });

      const done = new Watched(3);
      expect(await Source.from(done).runWith(Sink.toArray(), options)).to.deep.equal([0, 1, 2]);
      expect(done.closed).to.equal(0);
    }),
  );

  it(
    "asks the iterator for nothing before downstream asks, and then for one chunk",
    asItIs(async (options) => {
      const elements = new Watched(10_000);
      const sink = Source.from(elements).withAttributes({ chunkElements: 8 }).runWith(sinkProbe<number>(), options);
      await settle();
      expect(elements.steps).to.equal(0);
      await sink.nextChunk();
      await settle();
      expect(elements.steps).to.equal(8);
      sink.cancel();
    }),
  );

  it("iterates anew for every run", async () => {
    const source = Source.from(new Watched(3));
    expect(await source.runWith(Sink.toArray())).to.deep.equal([0, 1, 2]);
    expect(await source.runWith(Sink.toArray())).to.deep.equal([0, 1, 2]);
  });

  for (const [name, elements, expected] of [
    ["an array", [1, 2, 3], [1, 2, 3]],
    ["an array with holes", [1, undefined, 3], [1, undefined, 3]],
    ["a set", new Set([1, 2]), [1, 2]],
    ["a string", "añ😀", ["a", "ñ", "😀"]],
    ["a typed array", new Uint8Array([7, 8]), [7, 8]],
    ["nothing", [], []],
  ] as const) {
    it(
      `gives the elements of ${name}`,
      eachSeed(async (options) => {
        expect(await Source.from<unknown>(elements).runWith(Sink.toArray(), options)).to.deep.equal(expected);
      }),
    );
  }

  it("gives every element of a long array, whatever the size of its chunks", async () => {
    const elements = Array.from({ length: 1537 }, (_, index) => index);
    for (const chunkElements of [1, 2, 512, 1536, 1537, 5000]) {
      const source = Source.from(elements).withAttributes({ chunkElements });
      expect(await source.runWith(Sink.toArray())).to.deep.equal(elements);
    }
  });

  it("shows what the array holds when it is run, and never changes it", async () => {
    const elements = [3, 1, 2];
    const source = Source.from(elements).map((n) => n * 2);
    elements.push(4);
    expect(await source.runWith(Sink.toArray())).to.deep.equal([6, 2, 4, 8]);
    expect(elements).to.deep.equal([3, 1, 2, 4]);
  });
});

describe("Source.single", () => {
  it(
    "gives its element and completes",
    eachSeed(async (options) => {
      for (const element of ["one", undefined, null, [1, 2]]) {
        expect(await Source.single<unknown>(element).runWith(Sink.toArray(), options)).to.deep.equal([element]);
      }
    }),
  );
});

describe("Source.empty", () => {
  it(
    "completes without an element",
    eachSeed(async (options) => {
      const sink = Source.empty<number>().runWith(sinkProbe<number>(), options);
      await sink.expectComplete();
    }),
  );
});
