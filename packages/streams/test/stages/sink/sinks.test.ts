import { Keep, type RunOptions, Sink, Source, StreamError, Supervision } from "@millrace/streams";
import { NO_MORE_ELEMENTS } from "@millrace/streams/stage";
import { settle, sourceProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { asItIs, Calls, eachSeed } from "../../support/runs.js";
import { LONGEST_TURN_MS, turnsOf } from "../../../../../test/support/spun-time.js";
import { unhandledRejections } from "../../../../../test/support/unhandled.js";

const boom = new Error("boom");

const ELEMENT_MS = 0.01;

const sinks: readonly { readonly name: string; readonly sink: () => Sink<number, Promise<unknown>> }[] = [
  { name: "ignore", sink: () => Sink.ignore },
  { name: "forEach", sink: () => Sink.forEach(() => undefined) },
  { name: "forEachAsync", sink: () => Sink.forEachAsync(2, () => Promise.resolve()) },
  { name: "fold", sink: () => Sink.fold(0, (sum: number, n: number) => sum + n) },
  { name: "toArray", sink: () => Sink.toArray<number>() },
  { name: "head", sink: () => Sink.head<number>() },
  { name: "last", sink: () => Sink.last<number>() },
];

const reason = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "resolved",
    (error: unknown) => error,
  );

const throwing: typeof sinks = [
  {
    name: "forEach",
    sink: () =>
      Sink.forEach((n) => {
        if (n === 2) throw boom;
      }),
  },
  {
    name: "fold",
    sink: () =>
      Sink.fold(0, (sum: number, n: number) => {
        if (n === 2) throw boom;
        return sum + n;
      }),
  },
];

describe("every sink", () => {
  for (const { name, sink } of sinks) {
    it(
      `rejects with upstream's failure, unchanged: ${name}`,
      eachSeed(async (options) => {
        const [source, result] = sourceProbe<number>().toMat(sink(), Keep.both).run(options);
        await source.expectPull();
        source.fail(boom);
        expect(await reason(result)).to.equal(boom);
        expect(source.cancellations).to.deep.equal([]);
      }),
    );

    it(
      `asks for elements by itself: ${name}`,
      eachSeed(async (options) => {
        const [source, result] = sourceProbe<number>().toMat(sink(), Keep.both).run(options);
        await source.expectPull();
        source.send(1);
        source.complete();
        await result;
      }),
    );

    it(`begins afresh in every run: ${name}`, async () => {
      const graph = Source.from([1, 2, 3]).toMat(sink(), Keep.right);
      expect(await graph.run()).to.deep.equal(await graph.run());
    });

    it(`lets others have their turn while elements always come: ${name}`, async () => {
      const elements = name === "head" ? 1 : 5000;
      const { longest, all } = await turnsOf((time) =>
        Source.unfold(0, (n) => {
          time.spend(ELEMENT_MS);
          return n < elements ? [n + 1, n] : undefined;
        }).runWith(sink()),
      );
      expect(all, "ms in all").to.be.at.least(elements * ELEMENT_MS - 0.1);
      expect(longest, "ms of the longest turn").to.be.below(LONGEST_TURN_MS);
    });
  }

  for (const { name, sink } of throwing) {
    it(
      `rejects with what its function throws and cancels upstream with it: ${name}`,
      eachSeed(async (options) => {
        const [source, result] = sourceProbe<number>()
          .toMat(sink().withAttributes({ supervision: Supervision.resumingDecider }), Keep.both)
          .run(options);
        source.send(1, 2, 3);
        expect(await reason(result)).to.equal(boom);
        expect(source.cancellations).to.deep.equal([boom]);
      }),
    );
  }
});

const answer = <B>(elements: readonly number[], sink: Sink<number, Promise<B>>, options: RunOptions): Promise<B> =>
  Source.from(elements).runWith(sink, options);

describe("Sink.ignore", () => {
  it(
    "resolves with nothing once upstream has completed",
    eachSeed(async (options) => {
      const [source, end] = sourceProbe<number>().toMat(Sink.ignore, Keep.both).run(options);
      let ended = false;
      void end.then(() => {
        ended = true;
      });
      source.send(1, 2);
      await settle();
      expect(ended).to.equal(false);
      source.complete();
      expect(await end).to.equal(undefined);
    }),
  );
});

describe("Sink.forEach", () => {
  it(
    "calls its function for every element, in order, and stops at a throw",
    eachSeed(async (options) => {
      const seen: number[] = [];
      await answer(
        [1, 2, 3],
        Sink.forEach((n) => void seen.push(n)),
        options,
      );
      expect(seen).to.deep.equal([1, 2, 3]);
      const stopped = Sink.forEach((n: number) => {
        seen.push(n * 10);
        if (n === 2) throw boom;
      });
      expect(await reason(answer([1, 2, 3], stopped, options))).to.equal(boom);
      expect(seen).to.deep.equal([1, 2, 3, 10, 20]);
    }),
  );
});

describe("a function that nobody waits for and that answers a promise", () => {
  const promised: readonly (readonly [name: string, sink: () => Sink<number, Promise<unknown>>, says: RegExp])[] = [
    ["forEach", () => Sink.forEach((() => Promise.resolve()) as never), /^forEach: .*use Sink\.forEachAsync/],
    [
      "forEach, rejected",
      () => Sink.forEach((() => Promise.reject(boom)) as never),
      /^forEach: .*use Sink\.forEachAsync/,
    ],
    ["forEach, a thenable", () => Sink.forEach((() => ({ then: () => undefined })) as never), /^forEach: /],
    [
      "forEach, later",
      () => Sink.forEach(((n: number) => (n === 3 ? Promise.resolve() : undefined)) as never),
      /^forEach: /,
    ],
    ["fold", () => Sink.fold(0, (async (sum: number, n: number) => sum + n) as never), /^fold: .*use mapAsync/],
  ];
  for (const [name, sink, says] of promised) {
    it(
      `fails the stream and is refused: ${name}`,
      eachSeed(async (options) => {
        const unheard = await unhandledRejections(async () => {
          const [source, result] = sourceProbe<number>().toMat(sink(), Keep.both).run(options);
          source.send(1, 2, 3);
          const error = await reason(result);
          expect(error).to.be.instanceOf(StreamError).with.property("code", "INVALID_ARGUMENT");
          expect((error as Error).message).to.match(says);
          expect(source.cancellations).to.deep.equal([error]);
        });
        expect(unheard).to.deep.equal([]);
      }),
    );
  }

  it("may fold over promises from the beginning, and map into them", async () => {
    const sum = Sink.fold(Promise.resolve(0), async (state: Promise<number>, n: number) => (await state) + n);
    expect(await Source.from([1, 2, 3]).runWith(sum)).to.equal(6);
    const mapped = await Source.from([1])
      .map(async (n) => n)
      .runWith(Sink.toArray());
    expect(await Promise.all(mapped)).to.deep.equal([1]);
  });
});

describe("Sink.forEachAsync", () => {
  it("refuses a parallelism that is no positive whole number when the graph is built", () => {
    for (const parallelism of [0, 1.5, -1, Number.NaN]) {
      expect(() => Sink.forEachAsync(parallelism, () => undefined)).to.throw(StreamError, "forEachAsync: parallelism");
    }
  });

  it(
    "calls its function for up to parallelism elements at a time, and settles once every call has",
    asItIs(async (options) => {
      const calls = new Calls<number>();
      const [source, end] = sourceProbe<number>().toMat(Sink.forEachAsync(2, calls.call), Keep.both).run(options);
      let ended = false;
      void end.then(() => {
        ended = true;
      });
      source.sendChunk([1, 2, 3]);
      source.complete();
      await settle();
      expect(calls.started).to.deep.equal([1, 2]);
      calls.resolve(2);
      await settle();
      expect([calls.started, ended]).to.deep.equal([[1, 2, 3], false]);
      calls.resolve(1);
      await settle();
      expect(ended).to.equal(false);
      calls.resolve(3);
      expect(await end).to.equal(undefined);
    }),
  );

  it(
    "fails with what its function rejects with or throws, and adheres to supervision",
    eachSeed(async (options) => {
      const failing = (n: number): Promise<void> => (n === 2 ? Promise.reject(boom) : Promise.resolve());
      expect(await reason(answer([1, 2, 3], Sink.forEachAsync(1, failing), options))).to.equal(boom);
      const throwing = Sink.forEachAsync(1, () => {
        throw boom;
      });
      expect(await reason(answer([1], throwing, options))).to.equal(boom);
      const resumed = Sink.forEachAsync(1, failing).withAttributes({ supervision: Supervision.resumingDecider });
      expect(await answer([1, 2, 3], resumed, options)).to.equal(undefined);
    }),
  );
});

describe("Sink.fold", () => {
  it(
    "resolves with the last state, and with zero for no element",
    eachSeed(async (options) => {
      const text = Sink.fold("", (all: string, n: number) => `${all}${n}`);
      expect(await answer([1, 2, 3], text, options)).to.equal("123");
      expect(await answer([], text, options)).to.equal("");
    }),
  );
});

describe("Sink.toArray", () => {
  it(
    "resolves with every element in order, in an array of its own for each run",
    eachSeed(async (options) => {
      const graph = Source.from([1, undefined, 3]).toMat(Sink.toArray<number | undefined>(), Keep.right);
      const first = await graph.run(options);
      expect(first).to.deep.equal([1, undefined, 3]);
      first.push(4);
      expect(await graph.run(options)).to.deep.equal([1, undefined, 3]);
      expect(await answer([], Sink.toArray(), options)).to.deep.equal([]);
    }),
  );
});

for (const name of ["head", "last"] as const) {
  describe(`Sink.${name}`, () => {
    it(
      "rejects with EMPTY_STREAM when there is no element",
      eachSeed(async (options) => {
        const error = await reason(answer([], Sink[name](), options));
        expect(error).to.be.instanceOf(StreamError).with.property("code", "EMPTY_STREAM");
      }),
    );

    it(
      "takes undefined for an element",
      eachSeed(async (options) => {
        expect(await Source.single(undefined).runWith(Sink[name](), options)).to.equal(undefined);
      }),
    );
  });
}

describe("Sink.head", () => {
  it(
    "resolves with the first element and cancels upstream",
    eachSeed(async (options) => {
      const [source, first] = sourceProbe<number>().toMat(Sink.head<number>(), Keep.both).run(options);
      source.send(1, 2);
      expect(await first).to.equal(1);
      expect(source.cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
    }),
  );

  it(
    "resolves with the first element although upstream would fail later",
    eachSeed(async (options) => {
      const [source, first] = sourceProbe<number>().toMat(Sink.head<number>(), Keep.both).run(options);
      source.send(1);
      source.fail(boom);
      expect(await first).to.equal(1);
    }),
  );
});

describe("Sink.last", () => {
  it(
    "resolves with the last element once upstream has completed",
    eachSeed(async (options) => {
      expect(await answer([1, 2, 3], Sink.last(), options)).to.equal(3);
    }),
  );

  it(
    "rejects with the failure although there were elements",
    eachSeed(async (options) => {
      expect(await reason(Source.from([1]).concat(Source.failed(boom)).runWith(Sink.last(), options))).to.equal(boom);
    }),
  );
});
