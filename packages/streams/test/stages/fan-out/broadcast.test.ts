import { Flow, Join, Keep, Sink, Source } from "@millrace/streams";
import { NO_MORE_ELEMENTS } from "@millrace/streams/stage";
import { settle, sinkProbe, sourceProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { operatorSkeleton } from "../../support/operator-skeleton.js";
import { asItIs, Calls, eachSeed } from "../../support/runs.js";
import { unhandledRejections } from "../../../../../test/support/unhandled.js";

const identity = Flow.of<number>();
const boom = new Error("boom");

const failingAt = (at: number): Flow<number, number> =>
  Flow.of<number>().map((n) => {
    if (n === at) throw boom;
    return n;
  });

describe("broadcast", () => {
  operatorSkeleton<number, number>({
    name: "broadcast and merge",
    flow: () => Flow.of<number>().broadcast([identity, identity.map((n) => n * 10)], Join.merge()),
    input: [1, 2, 3],
    output: [1, 2, 3, 10, 20, 30],
    outputOfOne: [1, 10],
    unordered: true,
    kind: "async",
  });

  operatorSkeleton<number, readonly number[]>({
    name: "broadcast and zip",
    flow: () => Flow.of<number>().broadcast([identity, identity.map((n) => n * 10), identity], Join.zip()),
    input: [1, 2, 3],
    output: [
      [1, 10, 1],
      [2, 20, 2],
      [3, 30, 3],
    ],
    outputOfOne: [[1, 10, 1]],
    kind: "async",
  });

  it(
    "fails when one flow fails, and cancels upstream with its error",
    eachSeed(async (options) => {
      const [source, failed] = sourceProbe<number>()
        .broadcast([identity, failingAt(2)], Join.merge())
        .toMat(Sink.ignore, Keep.both)
        .run(options);
      source.send(1, 2, 3);
      expect(await failed.catch((error: unknown) => error)).to.equal(boom);
      expect(source.cancellations).to.deep.equal([boom]);
    }),
  );

  it(
    "goes on with the flows that are left when one has all it wants",
    eachSeed(async (options) => {
      const [source, all] = sourceProbe<number>()
        .broadcast([identity.take(1), identity.map((n) => n * 10)], Join.merge())
        .toMat(Sink.toArray<number>(), Keep.both)
        .run(options);
      source.send(1, 2, 3);
      source.complete();
      expect((await all).sort((a, b) => a - b)).to.deep.equal([1, 10, 20, 30]);
      expect(source.cancellations).to.deep.equal([]);
    }),
  );

  it(
    "cancels upstream once every flow has all it wants",
    eachSeed(async (options) => {
      const [source, all] = sourceProbe<number>()
        .broadcast([identity.take(1), identity.take(2)], Join.merge())
        .toMat(Sink.toArray<number>(), Keep.both)
        .run(options);
      source.send(1, 2, 3);
      expect((await all).sort()).to.deep.equal([1, 1, 2]);
      expect(source.cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
    }),
  );

  it(
    "completes with the shortest flow when they are zipped",
    eachSeed(async (options) => {
      const [source, all] = sourceProbe<number>()
        .broadcast([identity.take(1), identity], Join.zip())
        .toMat(Sink.toArray<readonly number[]>(), Keep.both)
        .run(options);
      source.send(1, 2, 3);
      expect(await all).to.deep.equal([[1, 1]]);
      expect(source.cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
    }),
  );

  it(
    "goes at the pace of the slowest flow",
    asItIs(async (options) => {
      const calls = new Calls<number>();
      const [source, sink] = sourceProbe<number>()
        .broadcast([identity, identity.mapAsync(1, calls.call)], Join.merge())
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      source.send(1, 2, 3, 4);
      await sink.expectNext(1, 2);
      await sink.expectNothing();
      expect(calls.started).to.deep.equal([1]);
      await source.expectNoPull();
      calls.resolve(1);
      await sink.expectNext(1, 3);
      sink.cancel();
    }),
  );

  it(
    "joins flows that change the number of elements",
    eachSeed(async (options) => {
      const sum = identity.fold(0, (total, n) => total + n);
      const small = identity.filter((n) => n < 3);
      const elements = await Source.from([1, 2, 3])
        .broadcast([sum, small], Join.merge())
        .runWith(Sink.toArray(), options);
      expect(elements.sort()).to.deep.equal([1, 2, 6]);
    }),
  );

  it(
    "nests",
    eachSeed(async (options) => {
      const inner = Flow.of<number>().broadcast([identity, identity], Join.zip());
      const rows = await Source.from([1, 2]).broadcast([inner, inner], Join.zip()).runWith(Sink.toArray(), options);
      expect(rows).to.deep.equal(
        [1, 2].map((n) => [
          [n, n],
          [n, n],
        ]),
      );
    }),
  );
});

describe("alsoTo", () => {
  operatorSkeleton<number, number>({
    name: "alsoTo",
    flow: () => Flow.of<number>().alsoTo(Sink.ignore),
    input: [1, 2, 3],
    output: [1, 2, 3],
    outputOfOne: [1],
  });

  it(
    "fails when the sink fails, and cancels upstream with its error",
    eachSeed(async (options) => {
      const [source, failed] = sourceProbe<number>()
        .alsoTo(
          failingAt(2)
            .to(Sink.ignore)
            .mapMaterializedValue(() => undefined),
        )
        .toMat(Sink.ignore, Keep.both)
        .run(options);
      source.send(1, 2, 3);
      const heard = failed.catch((error: unknown) => error);
      expect(await heard).to.equal(boom);
      expect(source.cancellations).to.deep.equal([boom]);
    }),
  );

  it("leaves no rejection unheard when the stream fails, which downstream hears of", async () => {
    const unheard = await unhandledRejections(async () => {
      await Source.failed(boom)
        .alsoTo(Sink.ignore)
        .runWith(Sink.ignore)
        .catch(() => undefined);
      await Source.from([1])
        .alsoTo(
          Sink.forEach(() => {
            throw boom;
          }),
        )
        .runWith(Sink.ignore)
        .catch(() => undefined);
    });
    expect(unheard).to.deep.equal([]);
  });

  it(
    "fails the sink when downstream fails",
    eachSeed(async (options) => {
      const [[source, inSink], failed] = sourceProbe<number>()
        .alsoToMat(Sink.toArray<number>(), Keep.both)
        .via(failingAt(2))
        .toMat(Sink.ignore, Keep.both)
        .run(options);
      source.send(1, 2, 3);
      expect(await failed.catch((error: unknown) => error)).to.equal(boom);
      expect(await inSink.catch((error: unknown) => error)).to.equal(boom);
      expect(source.cancellations).to.deep.equal([boom]);
    }),
  );

  it(
    "completes downstream and cancels upstream when the sink has all it wants",
    eachSeed(async (options) => {
      const [[source, first], all] = sourceProbe<number>()
        .alsoToMat(Sink.head<number>(), Keep.both)
        .toMat(Sink.toArray<number>(), Keep.both)
        .run(options);
      source.send(1, 2, 3);
      expect(await first).to.equal(1);
      expect((await all)[0]).to.equal(1);
      expect(source.cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
    }),
  );

  it(
    "completes the sink when downstream has all it wants",
    eachSeed(async (options) => {
      const [[source, inSink], all] = sourceProbe<number>()
        .alsoToMat(Sink.toArray<number>(), Keep.both)
        .take(1)
        .toMat(Sink.toArray<number>(), Keep.both)
        .run(options);
      source.send(1, 2, 3);
      expect(await all).to.deep.equal([1]);
      expect((await inSink)[0]).to.equal(1);
      expect(source.cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
    }),
  );

  it(
    "gives the sink every element",
    eachSeed(async (options) => {
      const [inSink, all] = Source.from([1, 2, 3, 4])
        .alsoToMat(Sink.toArray<number>(), Keep.right)
        .filter((n) => n % 2 === 0)
        .toMat(Sink.toArray<number>(), Keep.both)
        .run(options);
      expect(await all).to.deep.equal([2, 4]);
      expect(await inSink).to.deep.equal([1, 2, 3, 4]);
    }),
  );

  it(
    "backpressures when the sink does",
    asItIs(async (options) => {
      const [[source, slow], sink] = sourceProbe<number>()
        .alsoToMat(sinkProbe<number>(), Keep.both)
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      source.send(1, 2, 3);
      await sink.expectNext(1);
      await sink.expectNothing();
      await slow.expectNext(1);
      await sink.expectNext(2);
      await settle();
      await source.expectNoPull();
      sink.cancel();
      await slow.expectNext(2);
      await slow.expectComplete();
    }),
  );
});
