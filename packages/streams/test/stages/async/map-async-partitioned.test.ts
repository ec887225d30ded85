import { Flow, Keep, type PartitionedOptions, Sink, Source, StreamError, Supervision } from "@millrace/streams";
import { settle, sinkProbe, sourceProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { operatorSkeleton } from "../../support/operator-skeleton.js";
import { asItIs, Calls, eachSeed } from "../../support/runs.js";

const variants = [
  { name: "mapAsyncPartitioned", unordered: false },
  { name: "mapAsyncPartitionedUnordered", unordered: true },
] as const;

const later = async <A>(element: A): Promise<A> => {
  await settle(1);
  return element;
};

/** Elements 10, 11, … have key 1, and 20, 21, … key 2. */
const tens = (n: number): number => Math.floor(n / 10);

for (const { name, unordered } of variants) {
  const over = <A, B>(
    parallelism: number,
    key: (element: A) => unknown,
    f: (element: A) => B | PromiseLike<B>,
    options?: PartitionedOptions,
  ): Flow<A, B> => Flow.of<A>()[name](parallelism, key, f, options);

  describe(name, () => {
    operatorSkeleton<number, string>({
      name,
      flow: () => over(3, tens, async (n: number) => later(`n${n}`)),
      input: [10, 11, 20, 12, 30],
      output: ["n10", "n11", "n20", "n12", "n30"],
      outputOfOne: ["n10"],
      kind: "async",
      unordered,
      throwing: {
        flow: (check) =>
          over(2, tens, async (n: number) => {
            check(n);
            return `n${n}`;
          }),
        at: 1,
        delivered: ["n10", ...(unordered ? ["n20", "n30"] : [])],
        resumed: ["n10", "n20", "n12", "n30"],
      },
    });

    describe("whose function throws instead of rejecting", () => {
      operatorSkeleton<number, number>({
        name,
        flow: () => over(2, tens, (n: number) => n),
        input: [10, 11, 20],
        output: [10, 11, 20],
        outputOfOne: [10],
        kind: "async",
        throwing: {
          flow: (check) =>
            over(2, tens, (n: number) => {
              check(n);
              return n;
            }),
          at: 1,
          delivered: [10],
          resumed: [10, 20],
        },
      });
    });

    describe("whose key function throws", () => {
      operatorSkeleton<number, number>({
        name,
        flow: () => over(2, tens, later<number>),
        input: [10, 11, 20],
        output: [10, 11, 20],
        outputOfOne: [10],
        kind: "async",
        unordered,
        throwing: {
          flow: (check) =>
            over(
              2,
              (n: number) => {
                check(n);
                return tens(n);
              },
              later<number>,
            ),
          at: 1,
          delivered: [10],
          resumed: [10, 20],
        },
      });
    });

    it("refuses bounds it could not keep when the graph is built", () => {
      for (const parallelism of [0, -1, 1.5, Number.NaN, 65_537]) {
        expect(() => over(parallelism, tens, later))
          .to.throw(StreamError, `${name}: parallelism must be`)
          .with.property("code", "INVALID_ARGUMENT");
      }
      for (const waiting of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
        expect(() => over(1, tens, later, { waiting }))
          .to.throw(StreamError, `${name}: waiting must be`)
          .with.property("code", "INVALID_ARGUMENT");
      }
    });

    it(
      "fails at once when a call is rejected, starts no call after it, and hears the rejections of those open",
      eachSeed(async (options) => {
        const calls = new Calls<number>();
        const error = new Error("second");
        const [source, failed] = sourceProbe<number>()
          .via(over(2, tens, calls.call))
          .toMat(Sink.toArray<number>(), Keep.both)
          .run(options);
        source.send(10, 20, 11, 21, 30);
        while (calls.started.length < 2) await settle(1);
        calls.reject(20, error);
        expect(await failed.catch((failure: unknown) => failure)).to.equal(error);
        calls.reject(10, new Error("unheard"));
        await settle();
        expect(calls.started).to.deep.equal([10, 20]);
        expect(source.cancellations).to.deep.equal([error]);
      }),
    );

    it(
      "starts no call after cancellation, whatever settles then",
      eachSeed(async (options) => {
        const calls = new Calls<number>();
        const [source, sink] = sourceProbe<number>()
          .via(over(2, tens, calls.call))
          .toMat(sinkProbe<number>(), Keep.both)
          .run(options);
        source.send(10, 11, 20, 21);
        sink.request();
        while (calls.started.length < 2) await settle(1);
        sink.cancel();
        calls.resolve(10);
        calls.reject(20, new Error("unheard"));
        await settle();
        expect(calls.started).to.deep.equal([10, 20]);
        expect(sink.received).to.deep.equal([]);
      }),
    );

    it(
      "goes on with the key of a rejected call when the decider resumes",
      eachSeed(async (options) => {
        const calls = new Calls<number>();
        const [source, sink] = sourceProbe<number>()
          .via(over(2, tens, calls.call))
          .withAttributes({ supervision: Supervision.resumingDecider })
          .toMat(sinkProbe<number>(), Keep.both)
          .run(options);
        source.send(10, 11);
        source.complete();
        sink.request();
        while (calls.started.length < 1) await settle(1);
        calls.reject(10, new Error("dropped"));
        while (calls.started.length < 2) await settle(1);
        calls.resolve(11);
        expect(await sink.rest()).to.deep.equal([11]);
      }),
    );

    it(
      "starts the next call of a key once the earlier one has settled, and other keys at once",
      asItIs(async (options) => {
        const calls = new Calls<number>();
        const [source, sink] = sourceProbe<number>()
          .via(over(3, tens, calls.call))
          .toMat(sinkProbe<number>(), Keep.both)
          .run(options);
        source.send(10, 11, 12, 20, 21);
        await sink.expectNothing();
        expect(calls.started).to.deep.equal([10, 20]);
        calls.resolve(10);
        await sink.expectNext(10);
        await settle();
        expect(calls.started).to.deep.equal([10, 20, 11]);
        calls.resolve(20);
        await settle();
        expect(calls.started).to.deep.equal([10, 20, 11, 21]);
        sink.cancel();
      }),
    );

    it(
      "backpressures while `parallelism` calls are open",
      asItIs(async (options) => {
        const calls = new Calls<number>();
        const [source, sink] = sourceProbe<number>()
          .via(over(2, tens, calls.call))
          .toMat(sinkProbe<number>(), Keep.both)
          .run(options);
        source.send(10, 20, 30, 40);
        await sink.expectNothing();
        expect(calls.started).to.deep.equal([10, 20]);
        await source.expectNoPull();
        calls.resolve(10);
        await sink.expectNext(10);
        await settle();
        expect(calls.started).to.deep.equal([10, 20, 30]);
        sink.cancel();
      }),
    );

    it(
      "asks for the key of each element once, also of one that found no place to wait",
      eachSeed(async (options) => {
        const asked: number[] = [];
        const key = (n: number): number => {
          asked.push(n);
          return tens(n);
        };
        const input = [10, 11, 12, 20, 13, 21];
        await Source.from(input)
          .via(over(2, key, later<number>, { waiting: 0 }))
          .runWith(Sink.ignore, options);
        expect(asked).to.deep.equal(input);
      }),
    );

    it(
      "compares keys as a Map does",
      asItIs(async (options) => {
        const calls = new Calls<number>();
        const keys: readonly unknown[] = [undefined, undefined, Number.NaN, Number.NaN, 0, -0, {}, {}];
        const [source, sink] = sourceProbe<number>()
          .via(over(8, (n) => keys[n], calls.call))
          .toMat(sinkProbe<number>(), Keep.both)
          .run(options);
        source.sendChunk([...keys.keys()]);
        await sink.expectNothing();
        expect(calls.started).to.deep.equal([0, 2, 4, 6, 7]);
        sink.cancel();
      }),
    );

    it(
      "holds a thenable that settles twice to one result",
      eachSeed(async (options) => {
        const twice = (n: number): PromiseLike<number> => ({
          // biome-ignore lint/suspicious/noThenProperty: a thenable is what is tested
          then(onValue) {
            onValue?.(n);
            onValue?.(-n);
            return Promise.resolve() as never;
          },
        });
        const input = [10, 11, 12, 20];
        const output = await Source.from(input)
          .via(over(2, tens, twice))
          .runWith(Sink.toArray(), options);
        expect(unordered ? output.sort() : output).to.deep.equal([...input].sort());
      }),
    );

    it(
      "gives the function the element's key",
      eachSeed(async (options) => {
        const pairs = await Source.from(["a1", "b2"])
          [name](
            2,
            (text) => text.charAt(0),
            async (text, key) => `${key}:${text}`,
          )
          .runWith(Sink.toArray(), options);
        expect(pairs).to.have.members(["a:a1", "b:b2"]);
      }),
    );
  });
}
