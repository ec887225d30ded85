import { Flow, Keep, KillSwitches, Sink, Source, StreamError, Supervision } from "@millrace/streams";
import { settle, sinkProbe, sourceProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import fc from "fast-check";
import { operatorSkeleton } from "../../support/operator-skeleton.js";
import { asItIs, Calls, eachSeed } from "../../support/runs.js";

const variants = [
  { name: "mapAsync", unordered: false },
  { name: "mapAsyncUnordered", unordered: true },
] as const;

const later = async <A>(element: A): Promise<A> => {
  await settle(1);
  return element;
};

for (const { name, unordered } of variants) {
  const over = <A, B>(parallelism: number, f: (element: A) => B | PromiseLike<B>): Flow<A, B> =>
    Flow.of<A>()[name](parallelism, f);

  describe(name, () => {
    operatorSkeleton<number, string>({
      name,
      flow: () => over(3, async (n: number) => later(`n${n}`)),
      input: [1, 2, 3, 4, 5],
      output: ["n1", "n2", "n3", "n4", "n5"],
      outputOfOne: ["n1"],
      kind: "async",
      unordered,
      throwing: {
        flow: (check) =>
          over(2, async (n: number) => {
            check(n);
            return `n${n}`;
          }),
        at: 2,
        delivered: ["n1", "n2", ...(unordered ? ["n4"] : [])],
        resumed: ["n1", "n2", "n4", "n5"],
      },
    });

    describe("whose function throws instead of rejecting", () => {
      operatorSkeleton<number, number>({
        name,
        flow: () => over(2, (n: number) => n),
        input: [1, 2, 3],
        output: [1, 2, 3],
        outputOfOne: [1],
        kind: "async",
        throwing: {
          flow: (check) =>
            over(2, (n: number) => {
              check(n);
              return n;
            }),
          at: 1,
          delivered: [1],
          resumed: [1, 3],
        },
      });
    });

    it("refuses a parallelism that is no positive whole number when the graph is built", () => {
      for (const parallelism of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
        expect(() => over(parallelism, later))
          .to.throw(StreamError, `${name}: parallelism must be`)
          .with.property("code", "INVALID_ARGUMENT");
      }
    });

    it(
      "fails at once when a call is rejected, without waiting for older ones",
      eachSeed(async (options) => {
        const calls = new Calls<number>();
        const error = new Error("second");
        const [source, failed] = sourceProbe<number>()
          .via(over(4, calls.call))
          .toMat(Sink.toArray<number>(), Keep.both)
          .run(options);
        source.send(1, 2);
        while (calls.started.length < 2) await settle(1);
        calls.reject(2, error);
        expect(await failed.catch((failure: unknown) => failure)).to.equal(error);
        expect(source.cancellations).to.deep.equal([error]);
      }),
    );

    it(
      "fails at once when upstream fails while calls are open",
      eachSeed(async (options) => {
        const error = new Error("upstream");
        const calls = new Calls<number>();
        const [source, sink] = sourceProbe<number>()
          .via(over(4, calls.call))
          .toMat(sinkProbe<number>(), Keep.both)
          .run(options);
        source.send(1);
        source.fail(error);
        expect(await sink.expectError()).to.equal(error);
        expect(source.cancellations).to.deep.equal([]);
      }),
    );

    it(
      "starts no call after it has failed, and hears the rejections of those still open",
      eachSeed(async (options) => {
        const calls = new Calls<number>();
        const error = new Error("first");
        const [source, sink] = sourceProbe<number>()
          .via(over(2, calls.call))
          .toMat(sinkProbe<number>(), Keep.both)
          .run(options);
        source.send(1, 2, 3, 4);
        sink.request();
        while (calls.started.length < 2) await settle(1);
        calls.reject(1, error);
        expect(await sink.expectError()).to.equal(error);
        calls.reject(2, new Error("unheard"));
        await settle();
        expect(calls.started).to.deep.equal([1, 2]);
      }),
    );

    it(
      "ignores results and rejections that come after cancellation",
      eachSeed(async (options) => {
        const calls = new Calls<number>();
        const [source, sink] = sourceProbe<number>()
          .via(over(2, calls.call))
          .toMat(sinkProbe<number>(), Keep.both)
          .run(options);
        source.send(1, 2, 3);
        sink.request();
        while (calls.started.length < 2) await settle(1);
        sink.cancel();
        calls.resolve(1);
        calls.reject(2, new Error("unheard"));
        await settle();
        expect(sink.received).to.deep.equal([]);
        expect(calls.started).to.deep.equal([1, 2]);
      }),
    );

    it(
      "fails with whatever was thrown, undefined included",
      eachSeed(async (options) => {
        const sink = Source.single(1)
          .via(over(1, () => Promise.reject(undefined)))
          .runWith(sinkProbe(), options);
        expect(await sink.expectError()).to.equal(undefined);
      }),
    );

    it(
      "asks the decider once for each error, with that error",
      eachSeed(async (options) => {
        const seen: unknown[] = [];
        const elements = await Source.from([1, 2, 3])
          .via(over(1, (n: number) => (n === 2 ? Promise.reject(n) : Promise.resolve(n))))
          .withAttributes({
            supervision: (error) => {
              seen.push(error);
              return "resume";
            },
          })
          .runWith(Sink.toArray(), options);
        expect(elements).to.deep.equal([1, 3]);
        expect(seen).to.deep.equal([2]);
      }),
    );

    it(
      "completes when every call failed and the decider resumes",
      eachSeed(async (options) => {
        const elements = await Source.from([1, 2, 3])
          .via(over(2, () => Promise.reject(new Error("each"))))
          .withAttributes({ supervision: Supervision.resumingDecider })
          .runWith(Sink.toArray(), options);
        expect(elements).to.deep.equal([]);
      }),
    );

    it(
      "backpressures while `parallelism` calls are open",
      asItIs(async (options) => {
        const calls = new Calls<number>();
        const [source, sink] = sourceProbe<number>()
          .via(over(2, calls.call))
          .toMat(sinkProbe<number>(), Keep.both)
          .run(options);
        source.send(1, 2, 3, 4);
        await sink.expectNothing();
        expect(calls.started).to.deep.equal([1, 2]);
        await source.expectNoPull();
        calls.resolve(1);
        await sink.expectNext(1);
        await settle();
        expect(calls.started).to.deep.equal([1, 2, 3]);
        sink.cancel();
      }),
    );

    it(
      "never has more than `parallelism` calls open",
      eachSeed(async (options) => {
        let open = 0;
        let most = 0;
        await Source.from(Array.from({ length: 50 }, (_, index) => index))
          .via(
            over(5, async (n: number) => {
              open += 1;
              most = Math.max(most, open);
              await settle(n % 3);
              open -= 1;
            }),
          )
          .runWith(Sink.ignore, options);
        expect(most).to.be.at.most(5);
        expect(open).to.equal(0);
      }),
    );

    it(
      "stops starting calls when downstream does not ask, after a bounded number",
      asItIs(async (options) => {
        let calls = 0;
        const sink = Source.unfold(0, (n) => [n + 1, n])
          .via(over(4, (n: number) => (calls++, n)))
          .runWith(sinkProbe<number>(), options);
        await sink.next();
        await settle();
        expect(calls).to.be.at.most(5);
        sink.cancel();
      }),
    );

    it(
      "passes null and undefined on as results",
      eachSeed(async (options) => {
        const results = await Source.from([1, 2])
          .via(over(1, async (n: number) => (n === 1 ? null : undefined)))
          .runWith(Sink.toArray(), options);
        expect(results).to.deep.equal([null, undefined]);
      }),
    );

    it(
      "takes any thenable for a promise",
      eachSeed(async (options) => {
        const thenable = (n: number): PromiseLike<number> => ({
          // biome-ignore lint/suspicious/noThenProperty: a thenable is what is tested
          then: (onValue) => Promise.resolve(n * 2).then(onValue),
        });
        expect(await Source.from([1, 2]).via(over(1, thenable)).runWith(Sink.toArray(), options)).to.deep.equal([2, 4]);
      }),
    );

    it(
      "completes only when upstream has completed and every call has its result",
      eachSeed(async (options) => {
        const calls = new Calls<number>();
        const [source, sink] = sourceProbe<number>()
          .via(over(2, calls.call))
          .toMat(sinkProbe<number>(), Keep.both)
          .run(options);
        source.send(1);
        source.complete();
        await sink.expectNothing();
        calls.resolve(1);
        expect(await sink.rest()).to.deep.equal([1]);
      }),
    );

    it(
      "keeps the order where a call of its function shuts its own stream down",
      eachSeed(async (options) => {
        const [killSwitch, all] = sourceProbe<number>()
          .mapMaterializedValue((probe) => {
            probe.sendChunk([1, 2, 3]);
            return probe;
          })
          .viaMat(KillSwitches.single(), Keep.right)
          .via(
            over(3, (n: number) => {
              if (n === 1) killSwitch.shutdown();
              return later(n);
            }),
          )
          .toMat(Sink.toArray<number>(), Keep.both)
          .run(options);
        const elements = await all;
        expect(elements).to.deep.equal([1, 2, 3].slice(0, elements.length));
        expect(elements).to.include(1);
      }),
    );

    it("gives the same elements as map, whatever the latencies and the parallelism", async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.nat(3), { maxLength: 30 }),
          fc.integer({ min: 1, max: 8 }),
          async (latencies, n) => {
            const indexes = latencies.map((_, index) => index);
            const elements = await Source.from(indexes)
              .via(
                over(n, async (index: number) => {
                  for (let turn = 0; turn < (latencies[index] ?? 0); turn++) await Promise.resolve();
                  return index;
                }),
              )
              .runWith(Sink.toArray());
            expect(unordered ? elements.sort((a, b) => a - b) : elements).to.deep.equal(indexes);
          },
        ),
        { numRuns: 100 },
      );
    });
  });
}
