import { Flow, Keep, Sink, Source } from "@millrace/streams";
import { NO_MORE_ELEMENTS } from "@millrace/streams/stage";
import { settle, sinkProbe, sourceProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { operatorSkeleton } from "../../support/operator-skeleton.js";
import { asItIs, eachSeed } from "../../support/runs.js";
import { unhandledRejections } from "../../../../../test/support/unhandled.js";

const boom = new Error("boom");
const even = (n: number): boolean => n % 2 === 0;

const failingAt = (at: number): Flow<number, number> =>
  Flow.of<number>().map((n) => {
    if (n === at) throw boom;
    return n;
  });

describe("divertTo", () => {
  operatorSkeleton<number, number>({
    name: "divertTo",
    flow: () => Flow.of<number>().divertTo(Sink.ignore, even),
    input: [1, 2, 3, 4],
    output: [1, 3],
    outputOfOne: [1],
    throwing: {
      flow: (check) =>
        Flow.of<number>().divertTo(Sink.ignore, (n) => {
          check(n);
          return even(n);
        }),
      at: 2,
      delivered: [1],
      resumed: [1],
    },
  });

  it(
    "fails when the sink fails, and cancels upstream with its error",
    eachSeed(async (options) => {
      const failing = failingAt(2)
        .to(Sink.ignore)
        .mapMaterializedValue(() => undefined);
      const [source, failed] = sourceProbe<number>().divertTo(failing, even).toMat(Sink.ignore, Keep.both).run(options);
      source.send(1, 2, 3);
      expect(await failed.catch((error: unknown) => error)).to.equal(boom);
      expect(source.cancellations).to.deep.equal([boom]);
    }),
  );

  it("leaves no rejection unheard when the stream fails, which downstream hears of", async () => {
    const unheard = await unhandledRejections(async () => {
      await Source.failed(boom)
        .divertTo(Sink.ignore, () => true)
        .runWith(Sink.ignore)
        .catch(() => undefined);
    });
    expect(unheard).to.deep.equal([]);
  });

  it(
    "fails the sink when downstream fails",
    eachSeed(async (options) => {
      const [[source, diverted], failed] = sourceProbe<number>()
        .divertToMat(Sink.toArray<number>(), even, Keep.both)
        .via(failingAt(3))
        .toMat(Sink.ignore, Keep.both)
        .run(options);
      source.send(1, 2, 3);
      expect(await failed.catch((error: unknown) => error)).to.equal(boom);
      expect(await diverted.catch((error: unknown) => error)).to.equal(boom);
      expect(source.cancellations).to.deep.equal([boom]);
    }),
  );

  it(
    "completes downstream and cancels upstream when the sink has all it wants",
    eachSeed(async (options) => {
      const [[source, first], all] = sourceProbe<number>()
        .divertToMat(Sink.head<number>(), even, Keep.both)
        .toMat(Sink.toArray<number>(), Keep.both)
        .run(options);
      source.send(1, 2, 3, 4, 5);
      expect(await first).to.equal(2);
      expect([1, 3, 5]).to.include.members(await all);
      expect(source.cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
    }),
  );

  it(
    "completes the sink when downstream has all it wants",
    eachSeed(async (options) => {
      const [[source, diverted], all] = sourceProbe<number>()
        .divertToMat(Sink.toArray<number>(), even, Keep.both)
        .take(1)
        .toMat(Sink.toArray<number>(), Keep.both)
        .run(options);
      source.send(2, 1, 4, 3);
      expect(await all).to.deep.equal([1]);
      expect([2, 4]).to.include.members(await diverted);
      expect(source.cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
    }),
  );

  it(
    "gives each element to one side, in order",
    eachSeed(async (options) => {
      const input = Array.from({ length: 40 }, (_, n) => n);
      const [diverted, all] = Source.from(input)
        .withAttributes({ chunkElements: 7 })
        .divertToMat(Sink.toArray<number>(), even, Keep.right)
        .toMat(Sink.toArray<number>(), Keep.both)
        .run(options);
      expect(await all).to.deep.equal(input.filter((n) => !even(n)));
      expect(await diverted).to.deep.equal(input.filter(even));
    }),
  );

  it(
    "gives every substream a sink of its own",
    eachSeed(async (options) => {
      const diverted: number[] = [];
      const all = await Source.from([1, 2, 3, 4, 5, 6])
        .groupBy(2, even)
        .divertTo(
          Sink.forEach((n: number) => void diverted.push(n)),
          (n) => n > 4,
        )
        .mergeSubstreams()
        .runWith(Sink.toArray(), options);
      expect(all).to.have.members([1, 2, 3, 4]);
      expect(diverted).to.have.members([5, 6]);
    }),
  );

  it(
    "backpressures when the sink does",
    asItIs(async (options) => {
      const [[source, slow], sink] = sourceProbe<number>()
        .divertToMat(sinkProbe<number>(), even, Keep.both)
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      source.send(1, 2, 3);
      await sink.expectNext(1);
      await sink.expectNothing();
      await source.expectNoPull();
      await slow.expectNext(2);
      await settle();
      await sink.expectNext(3);
      sink.cancel();
      await slow.expectComplete();
    }),
  );
});
