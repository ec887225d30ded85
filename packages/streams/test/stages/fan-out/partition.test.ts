import { Flow, Join, Keep, KillSwitches, Sink, Source, StreamError, Supervision } from "@millrace/streams";
import { NO_MORE_ELEMENTS } from "@millrace/streams/stage";
import { assertAllClosed, instrumented, settle, sinkProbe, sourceProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import fc from "fast-check";
import { operatorSkeleton, outcomeOf } from "../../support/operator-skeleton.js";
import { asItIs, Calls, eachSeed } from "../../support/runs.js";

const identity = Flow.of<number>();
const tens = identity.map((n) => n * 10);
const boom = new Error("boom");
const parity = (n: number): number => n % 2;

const failingAt = (at: number): Flow<number, number> =>
  Flow.of<number>().map((n) => {
    if (n === at) throw boom;
    return n;
  });

describe("partition", () => {
  operatorSkeleton<number, number>({
    name: "partition and merge",
    flow: () => Flow.of<number>().partition([identity, tens], parity, Join.merge()),
    input: [1, 2, 3, 4],
    output: [10, 2, 30, 4],
    outputOfOne: [10],
    unordered: true,
    kind: "async",
    throwing: {
      flow: (check) =>
        Flow.of<number>().partition(
          [identity, tens],
          (n) => {
            check(n);
            return parity(n);
          },
          Join.merge(),
        ),
      at: 2,
      delivered: [10, 2],
      resumed: [10, 2, 4],
    },
  });

  it(
    "pairs what flows that end in a fold make of their shares",
    eachSeed(async (options) => {
      const add = (sum: number, n: number): number => sum + n;
      const sums = await Source.from([1, 2, 3, 4])
        .partition([identity.fold(0, add), tens.fold(0, add)], parity, Join.zip())
        .runWith(Sink.toArray(), options);
      expect(sums).to.deep.equal([[6, 40]]);
    }),
  );

  it(
    "fails with NO_SUCH_BRANCH for an index without a flow, whatever the decider says, after what preceded it",
    eachSeed(async (options) => {
      for (const index of [-1, 2, 0.5, Number.NaN]) {
        const received: number[] = [];
        const [source, end] = sourceProbe<number>()
          .partition([identity, identity], (n) => (n === 3 ? index : 0), Join.merge())
          .withAttributes({ supervision: Supervision.resumingDecider })
          .toMat(
            Sink.forEach((n: number) => void received.push(n)),
            Keep.both,
          )
          .run(options);
        source.sendChunk([1, 2, 3, 4]);
        const error = await end.catch((failure: unknown) => failure);
        expect(error).to.be.instanceOf(StreamError).with.property("code", "NO_SUCH_BRANCH");
        expect((error as Error).message).to.equal(
          `partition: choose answered ${index}; answer the index of a flow, a whole number from 0 to 1`,
        );
        expect([1, 2].slice(0, received.length)).to.deep.equal(received);
        expect(source.cancellations).to.deep.equal([error]);
      }
    }),
  );

  it(
    "delivers what preceded a throw of choose to every branch, then fails each",
    asItIs(async (options) => {
      const seen: number[][] = [[], []];
      const branch = (index: number): Flow<number, number> =>
        Flow.of<number>().map((n) => {
          seen[index]?.push(n);
          return n;
        });
      const { failure } = await outcomeOf(
        Source.from([1, 2, 3, 4]).partition(
          [branch(0), branch(1)],
          (n) => {
            if (n === 4) throw boom;
            return parity(n);
          },
          Join.merge(),
        ),
        options,
      );
      expect(failure).to.equal(boom);
      expect(seen).to.deep.equal([[2], [1, 3]]);
    }),
  );

  it(
    "fails when one flow fails, and cancels upstream with its error",
    eachSeed(async (options) => {
      const [source, failed] = sourceProbe<number>()
        .partition([identity, failingAt(3)], parity, Join.merge())
        .toMat(Sink.ignore, Keep.both)
        .run(options);
      source.send(1, 2, 3);
      expect(await failed.catch((error: unknown) => error)).to.equal(boom);
      expect(source.cancellations).to.deep.equal([boom]);
    }),
  );

  it(
    "drops the elements of a flow that has all it wants and goes on with the others",
    eachSeed(async (options) => {
      const [source, all] = sourceProbe<number>()
        .partition([identity, tens.take(1)], parity, Join.merge())
        .toMat(Sink.toArray<number>(), Keep.both)
        .run(options);
      source.sendChunk([1, 3, 2, 5]);
      source.send(7, 9, 4);
      source.complete();
      expect((await all).sort((a, b) => a - b)).to.deep.equal([2, 4, 10]);
      expect(source.cancellations).to.deep.equal([]);
    }),
  );

  it(
    "cancels upstream once every flow has all it wants",
    eachSeed(async (options) => {
      const [source, all] = sourceProbe<number>()
        .partition([identity.take(1), identity.take(2)], parity, Join.merge())
        .toMat(Sink.toArray<number>(), Keep.both)
        .run(options);
      source.send(1, 2, 3, 5);
      expect((await all).sort()).to.deep.equal([1, 2, 3]);
      expect(source.cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
    }),
  );

  it(
    "ends when the stream is stopped from inside choose",
    eachSeed(async (options) => {
      let shutdown = (): void => undefined;
      const [killSwitch, all] = Source.from([1, 2, 3, 4])
        .partition(
          [identity, identity],
          (n) => {
            if (n === 3) shutdown();
            return parity(n);
          },
          Join.merge(),
        )
        .viaMat(KillSwitches.single<number>(), Keep.right)
        .toMat(Sink.toArray<number>(), Keep.both)
        .run(options);
      shutdown = () => killSwitch.shutdown();
      expect([1, 2, 3, 4]).to.include.members(await all);
    }),
  );

  it(
    "holds the others back once a flow does not take its share, at most one chunk ahead",
    asItIs(async (options) => {
      const calls = new Calls<number>();
      const [source, sink] = sourceProbe<number>()
        .partition([identity, identity.mapAsync(1, calls.call)], parity, Join.merge())
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      source.sendChunk([1, 2]);
      source.sendChunk([3, 4]);
      source.sendChunk([5, 6]);
      await sink.expectNext(2, 4);
      await sink.expectNothing();
      expect(calls.started).to.deep.equal([1]);
      await source.expectNoPull();
      calls.resolve(1);
      await sink.expectNext(1, 6);
      sink.cancel();
    }),
  );

  it(
    "drops the share a flow has not taken when it leaves, and holds the others back no longer",
    asItIs(async (options) => {
      const calls = new Calls<number>();
      let leave = (): void => undefined;
      const leaving = Flow.of<number>()
        .viaMat(KillSwitches.single<number>(), Keep.right)
        .mapMaterializedValue((killSwitch) => {
          leave = () => killSwitch.shutdown();
        })
        .mapAsync(1, calls.call);
      const [source, sink] = sourceProbe<number>()
        .partition([identity, leaving], parity, Join.merge())
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      source.sendChunk([1, 2]);
      source.sendChunk([3, 4]);
      source.sendChunk([5, 6]);
      await sink.expectNext(2, 4);
      await sink.expectNothing();
      leave();
      await sink.expectNext(6);
      expect(calls.started).to.deep.equal([1]);
      sink.cancel();
    }),
  );

  it(
    "lets a flow without elements wait while another gets all",
    eachSeed(async (options) => {
      const elements = await Source.from(Array.from({ length: 50 }, (_, n) => n))
        .withAttributes({ chunkElements: 4 })
        .partition([identity, identity, identity], () => 1, Join.merge())
        .runWith(Sink.toArray(), options);
      expect(elements).to.deep.equal(Array.from({ length: 50 }, (_, n) => n));
    }),
  );

  it(
    "keeps asking upstream while everything it gives is dropped",
    asItIs(async (options) => {
      const [source, sink] = sourceProbe<number>()
        .partition([identity.take(0), identity], parity, Join.merge())
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      sink.request();
      source.send(2, 4, 6);
      await settle();
      expect(source.demand).to.equal(true);
      source.send(7);
      await sink.expectNext(7);
      sink.cancel();
    }),
  );

  it("loses nothing and keeps the order within each branch, however the chunks fall", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(3), { maxLength: 80 }),
        fc.integer({ min: 1, max: 20 }),
        fc.nat(1_000_000),
        async (branches, chunkElements, seed) => {
          const options = instrumented({ seed });
          const numbered = Flow.of<readonly [number, number]>();
          const pairs = await assertAllClosed(() =>
            Source.from(branches.map((branch, index) => [branch, index] as const))
              .withAttributes({ chunkElements })
              .partition(
                [
                  numbered,
                  numbered.mapAsync(2, async (pair) => pair),
                  numbered.grouped(3).mapConcat((g) => g),
                  numbered,
                ],
                ([branch]) => branch,
                Join.merge(),
              )
              .runWith(Sink.toArray(), options),
          );
          options.verify();
          for (let branch = 0; branch < 4; branch++) {
            expect(pairs.filter(([each]) => each === branch).map(([, index]) => index)).to.deep.equal(
              [...branches.keys()].filter((index) => branches[index] === branch),
            );
          }
        },
      ),
      { numRuns: 150 },
    ));

  it(
    "nests",
    eachSeed(async (options) => {
      const inner = Flow.of<number>().partition([identity, tens], (n) => (n > 2 ? 1 : 0), Join.merge());
      const elements = await Source.from([1, 2, 3, 4])
        .partition([inner, inner], parity, Join.merge())
        .runWith(Sink.toArray(), options);
      expect(elements.sort((a, b) => a - b)).to.deep.equal([1, 2, 30, 40]);
    }),
  );
});
