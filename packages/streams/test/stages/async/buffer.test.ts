import { Flow, Keep, type OverflowStrategy, Sink, Source, StreamError } from "@millrace/streams";
import { type SinkProbe, type SourceProbe, settle, sinkProbe, sourceProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { operatorSkeleton } from "../../support/operator-skeleton.js";
import { asItIs, eachSeed } from "../../support/runs.js";

const strategies: readonly OverflowStrategy[] = [
  "backpressure",
  "dropHead",
  "dropTail",
  "dropNew",
  "dropBuffer",
  "fail",
];

/** A stream whose downstream has taken 0 and is busy with it. */
const busy = async (
  strategy: OverflowStrategy,
  options: Parameters<typeof Source.prototype.runWith>[1],
): Promise<[SourceProbe<number>, SinkProbe<number>]> => {
  const [source, sink] = sourceProbe<number>().buffer(3, strategy).toMat(sinkProbe<number>(), Keep.both).run(options);
  source.send(0);
  await sink.expectNext(0);
  return [source, sink];
};

describe("buffer", () => {
  for (const strategy of strategies) {
    operatorSkeleton<number, number>({
      name: `buffer with ${strategy}`,
      flow: () => Flow.of<number>().buffer(8, strategy),
      input: [1, 2, 3, 4, 5],
      output: [1, 2, 3, 4, 5],
      outputOfOne: [1],
      kind: "async",
    });

    it(
      `with ${strategy} loses nothing of a chunk longer than its bound while downstream asks`,
      asItIs(async (options) => {
        const elements = Array.from({ length: 1000 }, (_, index) => index);
        expect(await Source.from(elements).buffer(4, strategy).runWith(Sink.toArray(), options)).to.deep.equal(
          elements,
        );
      }),
    );

    it(
      `with ${strategy} delivers what is buffered before upstream's failure`,
      asItIs(async (options) => {
        const error = new Error("upstream");
        const [source, sink] = await busy(strategy, options);
        source.send(1, 2);
        source.fail(error);
        await settle();
        await sink.expectNext(1, 2);
        expect(await sink.expectError()).to.equal(error);
      }),
    );

    it(
      `with ${strategy} delivers what is buffered before it completes`,
      asItIs(async (options) => {
        const [source, sink] = await busy(strategy, options);
        source.send(1, 2, 3);
        source.complete();
        await settle();
        expect(await sink.rest()).to.deep.equal([1, 2, 3]);
      }),
    );
  }

  it("refuses a bound that is no positive whole number when the graph is built", () => {
    for (const bound of [0, -1, 2.5]) {
      expect(() => Flow.of<number>().buffer(bound)).to.throw(StreamError, "buffer: bound must be");
    }
  });

  it(
    "with fail fails once one more comes than it holds, drops them and cancels upstream",
    asItIs(async (options) => {
      const [source, sink] = await busy("fail", options);
      source.send(1, 2, 3);
      await settle();
      expect(source.cancellations).to.deep.equal([]);
      source.send(4);
      await settle();
      const error = await sink.expectError();
      expect(error).to.be.instanceOf(StreamError).with.property("code", "BUFFER_OVERFLOW");
      expect(source.cancellations).to.deep.equal([error]);
    }),
  );

  const kept: readonly (readonly [OverflowStrategy, readonly number[]])[] = [
    ["dropHead", [3, 4, 5]],
    ["dropTail", [1, 2, 5]],
    ["dropNew", [1, 2, 3]],
    ["dropBuffer", [4, 5]],
  ];
  for (const [strategy, left] of kept) {
    it(
      `with ${strategy} keeps ${left.join(", ")} of 1 to 5 in three places`,
      asItIs(async (options) => {
        const [source, sink] = await busy(strategy, options);
        source.send(1, 2, 3, 4, 5);
        await settle();
        expect(source.demand).to.equal(true);
        source.complete();
        expect(await sink.rest()).to.deep.equal(left);
      }),
    );

    it(
      `with ${strategy} keeps the same of one chunk`,
      asItIs(async (options) => {
        const [source, sink] = await busy(strategy, options);
        source.sendChunk([1, 2, 3, 4, 5]);
        source.complete();
        await settle();
        expect(await sink.rest()).to.deep.equal(left);
      }),
    );
  }

  it(
    "with backpressure reads ahead by its bound and no further",
    asItIs(async (options) => {
      const [source, sink] = await busy("backpressure", options);
      source.send(1, 2, 3, 4, 5);
      await settle();
      const before = source.pulls;
      await source.expectNoPull();
      await sink.expectNext(1, 2, 3);
      await settle();
      expect(source.pulls).to.be.greaterThan(before);
      await sink.expectNext(4, 5);
      sink.cancel();
    }),
  );

  it(
    "decouples a slow downstream: upstream works while downstream does",
    eachSeed(async (options) => {
      const elements = Array.from({ length: 100 }, (_, index) => index);
      const out = await Source.from(elements)
        .buffer(7)
        .mapAsync(1, async (n) => {
          await settle(n % 7 === 0 ? 1 : 0);
          return n;
        })
        .runWith(Sink.toArray(), options);
      expect(out).to.deep.equal(elements);
    }),
  );
});
