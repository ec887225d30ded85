import { Flow, Keep, KillSwitches, Sink, Source, StreamError, Supervision } from "@millrace/streams";
import { groupBy, NO_MORE_ELEMENTS } from "@millrace/streams/stage";
import { settle, sinkProbe, sourceProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import fc from "fast-check";
import { operatorSkeleton } from "../../support/operator-skeleton.js";
import { asItIs, Calls, eachSeed } from "../../support/runs.js";

const parity = (n: number): number => n % 2;

describe("groupBy", () => {
  operatorSkeleton<number, string>({
    name: "groupBy",
    flow: () =>
      Flow.of<number>()
        .groupBy(4, parity)
        .map((n) => `n${n}`)
        .mergeSubstreams(),
    input: [1, 2, 3, 4],
    output: ["n1", "n2", "n3", "n4"],
    outputOfOne: ["n1"],
    kind: "async",
    unordered: true,
    throwing: {
      flow: (check) =>
        Flow.of<number>()
          .groupBy(4, (n) => {
            check(n);
            return parity(n);
          })
          .map((n) => `n${n}`)
          .mergeSubstreams(),
      at: 2,
      delivered: ["n1", "n2"],
      resumed: ["n1", "n2", "n4"],
    },
  });

  it("completes the groups of keys that are over when a new key is seen, and makes room", async () => {
    const over = new Set<unknown>();
    const stage = groupBy<string, readonly string[]>({
      maxSubstreams: 1,
      key: (text) => text[0],
      flow: Flow.of<string>().grouped(10).blueprint,
      isOver: (key) => over.has(key),
    });
    const done = Source.from(["a1", "a2", "b1", "b2"])
      .map((text) => {
        if (text === "b1") over.add("a");
        return text;
      })
      .via(Flow.fromStage(stage))
      .runWith(Sink.toArray());
    expect(await done).to.deep.equal([
      ["a1", "a2"],
      ["b1", "b2"],
    ]);
  });

  it("refuses a bound that is no positive whole number when the graph is built", () => {
    expect(() => Flow.of<number>().groupBy(0, parity)).to.throw(StreamError, "groupBy: maxSubstreams must be");
  });

  it(
    "fails with TOO_MANY_SUBSTREAMS on one key too many, whatever the decider says",
    eachSeed(async (options) => {
      const [source, failed] = sourceProbe<number>()
        .groupBy(2, (n) => n)
        .mergeSubstreams()
        .withAttributes({ supervision: Supervision.resumingDecider })
        .toMat(Sink.ignore, Keep.both)
        .run(options);
      source.send(1, 2, 1, 3);
      const error = await failed.catch((failure: unknown) => failure);
      expect(error).to.be.instanceOf(StreamError).with.property("code", "TOO_MANY_SUBSTREAMS");
      expect(source.cancellations).to.deep.equal([error]);
    }),
  );

  it(
    "fails when one group fails, cancels upstream and closes the other groups",
    eachSeed(async (options) => {
      const error = new Error("two");
      const [source, failed] = sourceProbe<number>()
        .groupBy(4, (n) => n)
        .mapAsync(1, async (n) => {
          if (n === 2) throw error;
          return n;
        })
        .mergeSubstreams()
        .toMat(Sink.ignore, Keep.both)
        .run(options);
      source.send(1, 2, 3);
      expect(await failed.catch((failure: unknown) => failure)).to.equal(error);
      expect(source.cancellations).to.deep.equal([error]);
    }),
  );

  it(
    "cancels calls open in every group when downstream leaves",
    eachSeed(async (options) => {
      const calls = new Calls<number>();
      const [source, sink] = sourceProbe<number>()
        .groupBy(4, (n) => n)
        .mapAsync(1, calls.call)
        .mergeSubstreams()
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      source.send(1, 2);
      sink.request();
      while (calls.started.length < 2) await settle(1);
      sink.cancel();
      calls.resolve(1);
      await settle();
      expect(sink.received).to.deep.equal([]);
      expect(source.cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
    }),
  );

  it(
    "drops the elements of a group that has completed early, and goes on with the others",
    eachSeed(async (options) => {
      const elements = await Source.from([1, 2, 3, 4, 5, 6])
        .groupBy(2, parity)
        .take(1)
        .mergeSubstreams()
        .runWith(Sink.toArray(), options);
      expect(elements.sort()).to.deep.equal([1, 2]);
    }),
  );

  it(
    "completes every group when upstream completes",
    eachSeed(async (options) => {
      const sums = await Source.from([1, 2, 3, 4])
        .groupBy(2, parity)
        .fold(0, (sum, n) => sum + n)
        .mergeSubstreams()
        .runWith(Sink.toArray(), options);
      expect(sums.sort()).to.deep.equal([4, 6]);
    }),
  );

  it(
    "waits for the calls open in its groups before it completes",
    eachSeed(async (options) => {
      const calls = new Calls<number>();
      const [source, sink] = sourceProbe<number>()
        .groupBy(2, parity)
        .mapAsync(1, calls.call)
        .mergeSubstreams()
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      source.send(1, 2);
      source.complete();
      await sink.expectNothing();
      calls.resolve(2);
      await sink.expectNext(2);
      await sink.expectNothing();
      calls.resolve(1);
      await sink.expectNext(1);
      await sink.expectComplete();
    }),
  );

  it(
    "lets the groups work side by side",
    eachSeed(async (options) => {
      const calls = new Calls<number>();
      const [source, sink] = sourceProbe<number>()
        .groupBy(3, (n) => n)
        .mapAsync(1, calls.call)
        .mergeSubstreams()
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      source.send(1, 2, 3);
      sink.request();
      while (calls.started.length < 3) await settle(1);
      calls.resolve(3);
      await sink.expectNext(3);
      sink.cancel();
    }),
  );

  it(
    "leaves upstream alone once 1024 elements wait in front of busy groups",
    asItIs(async (options) => {
      const calls = new Calls<number>();
      let sent = 0;
      const sink = Source.unfold(0, (n) => [n + 1, n])
        .map((n) => {
          sent += 1;
          return n;
        })
        .groupBy(1, () => "all")
        .mapAsync(1, calls.call)
        .mergeSubstreams()
        .runWith(sinkProbe<number>(), options);
      await sink.expectNothing();
      await settle(16);
      expect(sent).to.be.at.most(1024 + 3 * 512);
      sink.cancel();
    }),
  );

  it(
    "goes on when a group takes all that waits and gives nothing yet",
    eachSeed(async (options) => {
      const lengths = await Source.from(Array.from({ length: 5000 }, (_, index) => index))
        .groupBy(1, () => "all")
        .groupedWithin(4000, 1e9)
        .map((group) => group.length)
        .mergeSubstreams()
        .runWith(Sink.toArray(), options);
      expect(lengths).to.deep.equal([4000, 1000]);
    }),
  );

  it("does not let one group that never ends keep the others from being heard", async () => {
    const sink = Source.from([1, 2])
      .groupBy(2, (n) => n)
      .mapConcat((n) => (n === 1 ? Array.from({ length: 10 }, () => 1) : [2]))
      .concat(Source.unfold(0, (n) => [n + 1, 0]))
      .mergeSubstreams()
      .runWith(sinkProbe<number>());
    const seen = new Set<number>();
    for (let chunk = 0; chunk < 50; chunk++) for (const n of await sink.nextChunk()) seen.add(n);
    expect([...seen].sort()).to.deep.equal([0, 1, 2]);
    sink.cancel();
  });

  it(
    "compares keys as a Map does",
    eachSeed(async (options) => {
      const key = {};
      const keys: readonly unknown[] = [Number.NaN, "1", 1, key, {}, undefined, Number.NaN, key];
      const counts = await Source.from(keys)
        .groupBy(6, (each) => each)
        .fold(0, (count) => count + 1)
        .mergeSubstreams()
        .runWith(Sink.toArray(), options);
      expect(counts.sort()).to.deep.equal([1, 1, 1, 1, 2, 2]);
    }),
  );

  it("starts every group of every run afresh", async () => {
    const graph = Source.from([1, 3, 2])
      .groupBy(2, parity)
      .scan(0, (sum, n) => sum + n)
      .mergeSubstreams()
      .toMat(Sink.toArray(), Keep.right);
    const once = (await graph.run()).sort();
    expect(once).to.deep.equal([0, 0, 1, 2, 4]);
    expect((await graph.run()).sort()).to.deep.equal(once);
  });

  it(
    "hands its own attributes to the groups",
    eachSeed(async (options) => {
      const elements = await Source.from([1, 2, 3])
        .groupBy(2, parity)
        .map((n) => {
          if (n === 2) throw new Error("two");
          return n;
        })
        .mergeSubstreams()
        .withAttributes({ supervision: Supervision.resumingDecider })
        .runWith(Sink.toArray(), options);
      expect(elements.sort()).to.deep.equal([1, 3]);
    }),
  );

  it(
    "bears a group that ends the whole stream from inside",
    eachSeed(async (options) => {
      const [[queue, killSwitch], all] = Source.queue<number>(8)
        .viaMat(KillSwitches.single(), Keep.both)
        .groupBy(2, parity)
        .map((n) => {
          if (n === 2) killSwitch.shutdown();
          return n;
        })
        .mergeSubstreams()
        .toMat(Sink.toArray<number>(), Keep.both)
        .run(options);
      queue.offer(1);
      await settle();
      queue.offer(2);
      expect(await all).to.deep.equal([1, 2]);
    }),
  );

  it("keeps every element, and the order within each key", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(99), { maxLength: 60 }), fc.integer({ min: 1, max: 5 }), async (input, keys) => {
        const key = (n: number): number => n % keys;
        const elements = await Source.from(input.map((n, index) => ({ n, index })))
          .groupBy(keys, (each) => key(each.n))
          .mapAsync(2, async (each) => {
            if (each.n % 3 === 0) await Promise.resolve();
            return each;
          })
          .mergeSubstreams()
          .runWith(Sink.toArray());
        expect(elements.map((each) => each.index).sort((a, b) => a - b)).to.deep.equal(input.map((_, index) => index));
        for (let each = 0; each < keys; each++) {
          const order = elements.filter(({ n }) => key(n) === each).map(({ index }) => index);
          expect(order).to.deep.equal([...order].sort((a, b) => a - b));
        }
      }),
    );
  });
});
