import { Flow, Keep, type PartitionedOptions, Sink, Source } from "@millrace/streams";
import { settle, sinkProbe, sourceProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { asItIs, Calls } from "../../support/runs.js";
import { LONGEST_TURN_MS, turnsOf } from "../../../../../test/support/spun-time.js";

/** Elements 10, 11, … have key 1, and 20, 21, … key 2. */
const tens = (n: number): number => Math.floor(n / 10);

for (const name of ["mapAsyncPartitioned", "mapAsyncPartitionedUnordered"] as const) {
  const over = <A, B>(
    parallelism: number,
    key: (element: A) => unknown,
    f: (element: A) => B | PromiseLike<B>,
    options?: PartitionedOptions,
  ): Flow<A, B> => Flow.of<A>()[name](parallelism, key, f, options);

  describe(`the bounds of ${name}`, () => {
    it(
      "lets a hot key hold back the others only once `waiting` elements wait",
      asItIs(async (options) => {
        const calls = new Calls<number>();
        const [source, sink] = sourceProbe<number>()
          .via(over(4, tens, calls.call, { waiting: 2 }))
          .toMat(sinkProbe<number>(), Keep.both)
          .run(options);
        source.sendChunk([10, 11, 12, 20, 13, 30]);
        await sink.expectNothing();
        expect(calls.started).to.deep.equal([10, 20]);
        await source.expectNoPull();
        calls.resolve(10);
        await sink.expectNext(10);
        await settle();
        expect(calls.started).to.deep.equal([10, 20, 11, 30]);
        sink.cancel();
      }),
    );

    it(
      "stops taking in when downstream does not ask, after a bounded number",
      asItIs(async (options) => {
        let calls = 0;
        const sink = Source.unfold(0, (n) => [n + 1, n])
          .via(over(4, tens, (n: number) => (calls++, n)))
          .runWith(sinkProbe<number>(), options);
        await sink.next();
        await settle();
        expect(calls).to.be.at.most(21);
        sink.cancel();
      }),
    );

    it("lets others have a turn while a key's waiting calls end at once", async () => {
      // The first call holds 50 000 others back, which then need no promise and would run in one go.
      let release = (): void => undefined;
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      const elementMs = 0.002;
      const { longest, all } = await turnsOf(async (time) => {
        const done = Source.from(Array.from({ length: 50_001 }, (_, n) => n))
          .via(
            over(
              2,
              () => 0,
              (n: number) => {
                if (n === 0) return held.then(() => n);
                time.spend(elementMs);
                return n;
              },
              { waiting: 50_000 },
            ),
          )
          .runWith(Sink.ignore);
        await settle();
        release();
        await done;
      });
      expect(all, "ms in all").to.be.within(50_000 * elementMs - 0.1, 50_000 * elementMs + 0.1);
      expect(longest, "ms of the longest turn").to.be.below(LONGEST_TURN_MS);
    });

    it("holds no key longer than one of its elements is under way", async () => {
      const keys: WeakRef<object>[] = [];
      const key = (): object => {
        const made = {};
        keys.push(new WeakRef(made));
        return made;
      };
      const [source, sink] = sourceProbe<number>()
        .via(over(64, key, (n: number) => settle(1).then(() => n)))
        .toMat(Sink.ignore, Keep.both)
        .run();
      source.sendChunk(Array.from({ length: 1000 }, (_, n) => n));
      while (keys.length < 1000) await settle();
      await source.expectPull();
      await settle();
      globalThis.gc?.();
      expect(keys.filter((each) => each.deref()).length).to.be.below(10);
      source.complete();
      await sink;
    });
  });
}

describe("the places of mapAsyncPartitioned", () => {
  it(
    "emits in input order across keys, and takes in at most `parallelism + waiting` behind an open call",
    asItIs(async (options) => {
      const calls = new Calls<number>();
      const [source, sink] = sourceProbe<number>()
        .mapAsyncPartitioned(2, tens, calls.call, { waiting: 2 })
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      source.send(10, 20, 30, 40, 50, 60);
      await sink.expectNothing();
      for (const n of [20, 30, 40]) {
        calls.resolve(n);
        await settle();
      }
      expect(calls.started).to.deep.equal([10, 20, 30, 40]);
      await sink.expectNothing();
      calls.resolve(10);
      await sink.expectNext(10, 20, 30, 40);
      sink.cancel();
    }),
  );
});

describe("the places of mapAsyncPartitionedUnordered", () => {
  it(
    "emits when any call has its result, and takes in more although an older one is open",
    asItIs(async (options) => {
      const calls = new Calls<number>();
      const [source, sink] = sourceProbe<number>()
        .mapAsyncPartitionedUnordered(2, tens, calls.call, { waiting: 0 })
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      source.send(10, 20, 30, 40);
      sink.request();
      for (const n of [20, 30, 40]) {
        while (!calls.started.includes(n)) await settle(1);
        calls.resolve(n);
        await sink.expectNext(n);
      }
      sink.cancel();
    }),
  );
});
