import { Flow, Keep, Sink, Source, StreamError, Supervision } from "@millrace/streams";
import { settle, sinkProbe, sourceProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { operatorSkeleton } from "../../support/operator-skeleton.js";
import { asItIs, eachSeed, latch } from "../../support/runs.js";
import { LONGEST_TURN_MS, turnsOf } from "../../../../../test/support/spun-time.js";

const add = (batch: readonly number[], n: number): readonly number[] => [...batch, n];
const join = (kept: readonly number[], later: readonly number[]): readonly number[] => [...kept, ...later];

/** How elements are batched depends on timing; that none is lost, added or moved does not. */
const batched = (check: (n: number) => void = () => undefined): Flow<number, number> =>
  Flow.of<number>()
    .batch(
      3,
      (n): readonly number[] => {
        check(n);
        return [n];
      },
      (batch, n) => {
        check(n);
        return add(batch, n);
      },
    )
    .mapConcat((batch) => batch);

const conflated = (): Flow<number, number> =>
  Flow.of<number>()
    .map((n): readonly number[] => [n])
    .conflate(join)
    .mapConcat((batch) => batch);

const sum = (a: number, b: number): number => a + b;

describe("batch", () => {
  operatorSkeleton<number, number>({
    name: "batch",
    flow: () => batched(),
    input: [1, 2, 3, 4, 5, 6, 7],
    output: [1, 2, 3, 4, 5, 6, 7],
    outputOfOne: [1],
    kind: "async",
    throwing: { flow: batched, at: 0, delivered: [], resumed: [2, 3, 4, 5, 6, 7] },
  });

  it("refuses a bound that is no positive whole number when the graph is built", () => {
    for (const max of [0, -1, 0.5]) {
      expect(() => Flow.of<number>().batch(max, (n) => n, sum)).to.throw(StreamError, "batch: max must be");
    }
  });

  const failing = (decider: (typeof Supervision)[keyof typeof Supervision]) =>
    sourceProbe<number>()
      .batch(
        10,
        (n) => [n],
        (batch, n) => {
          if (n === 3) throw new Error("three");
          return [...batch, n];
        },
      )
      .withAttributes({ supervision: decider })
      .toMat(sinkProbe<readonly number[]>(), Keep.both);

  it(
    "delivers the batch so far and then the failure when aggregating fails",
    asItIs(async (options) => {
      const [source, sink] = failing(Supervision.stoppingDecider).run(options);
      source.sendChunk([1, 2, 3, 4]);
      await sink.expectNext([1, 2]);
      expect(await sink.expectError()).to.have.property("message", "three");
      expect(source.cancellations).to.have.length(1);
    }),
  );

  it(
    "keeps the batch when the decider resumes",
    asItIs(async (options) => {
      const [source, sink] = failing(Supervision.resumingDecider).run(options);
      source.sendChunk([1, 2, 3, 4]);
      await sink.expectNext([1, 2, 4]);
      sink.cancel();
    }),
  );

  it(
    "drops the batch when the decider restarts",
    asItIs(async (options) => {
      const [source, sink] = failing(Supervision.restartingDecider).run(options);
      source.sendChunk([1, 2, 3, 4]);
      await sink.expectNext([4]);
      sink.cancel();
    }),
  );

  it(
    "emits a batch of one when downstream is faster",
    eachSeed(async (options) => {
      const [source, sink] = sourceProbe<number>()
        .batch(10, (n) => [n], add)
        .toMat(sinkProbe<readonly number[]>(), Keep.both)
        .run(options);
      sink.request();
      source.send(1);
      await sink.expectNext([1]);
      sink.request();
      source.send(2);
      await sink.expectNext([2]);
      sink.cancel();
    }),
  );

  it(
    "gathers while downstream is busy, and backpressures once `max` elements are in",
    asItIs(async (options) => {
      const [source, sink] = sourceProbe<number>()
        .batch(3, (n) => [n], add)
        .toMat(sinkProbe<readonly number[]>(), Keep.both)
        .run(options);
      source.send(0);
      await sink.expectNext([0]);
      source.send(1, 2, 3, 4, 5);
      await settle();
      await source.expectNoPull();
      await sink.expectNext([1, 2, 3], [4, 5]);
      sink.cancel();
    }),
  );

  it(
    "completes after the last batch was emitted",
    asItIs(async (options) => {
      const [source, sink] = sourceProbe<number>()
        .batch(3, (n) => [n], add)
        .toMat(sinkProbe<readonly number[]>(), Keep.both)
        .run(options);
      source.send(0);
      await sink.expectNext([0]);
      source.send(1, 2);
      source.complete();
      await settle();
      expect(await sink.rest()).to.deep.equal([[1, 2]]);
    }),
  );
});

describe("conflate", () => {
  operatorSkeleton<number, number>({
    name: "conflate",
    flow: conflated,
    input: [1, 2, 3, 4, 5],
    output: [1, 2, 3, 4, 5],
    outputOfOne: [1],
    kind: "async",
  });

  it(
    "fails with what the aggregate throws, after what was kept",
    asItIs(async (options) => {
      const error = new Error("aggregate");
      const [source, sink] = sourceProbe<number>()
        .conflate(() => {
          throw error;
        })
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      source.sendChunk([1, 2]);
      await sink.expectNext(1);
      expect(await sink.expectError()).to.equal(error);
      expect(source.cancellations).to.deep.equal([error]);
    }),
  );

  it(
    "drops the element and keeps the rest when the decider resumes",
    asItIs(async (options) => {
      const [source, sink] = sourceProbe<number>()
        .conflate((kept, n) => {
          if (n === 2) throw new Error("two");
          return kept + n;
        })
        .withAttributes({ supervision: Supervision.resumingDecider })
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      source.sendChunk([1, 2, 3]);
      await sink.expectNext(4);
      sink.cancel();
    }),
  );

  it(
    "never holds upstream back",
    asItIs(async (options) => {
      const [source, sink] = sourceProbe<number>().conflate(sum).toMat(sinkProbe<number>(), Keep.both).run(options);
      source.send(0);
      await sink.expectNext(0);
      for (let n = 1; n <= 2000; n++) source.send(1);
      await source.expectPull();
      await sink.expectNext(2000);
      sink.cancel();
    }),
  );

  it("lets others have their turn although upstream always has more and downstream takes nothing", async () => {
    const elementMs = 0.01;
    const { longest, all } = await turnsOf(async (time) => {
      const over = latch<void>();
      const sink = Source.unfold(0, (n) => {
        time.spend(elementMs);
        if (n === 5000) over.resolve();
        return n < 5000 ? [n + 1, n] : undefined;
      })
        .conflate((_, newer) => newer)
        .runWith(sinkProbe<number>());
      await sink.next();
      await over.promise;
      expect(await sink.rest()).to.deep.equal([4999]);
    });
    expect(all, "ms in all").to.be.at.least(5000 * elementMs - 0.1);
    expect(longest, "ms of the longest turn").to.be.below(LONGEST_TURN_MS);
  });

  it(
    "emits the elements as they are when downstream is faster",
    eachSeed(async (options) => {
      const seen: number[] = [];
      const [source, done] = sourceProbe<number>()
        .conflate(sum)
        .toMat(
          Sink.forEach((n: number) => void seen.push(n)),
          Keep.both,
        )
        .run(options);
      for (const n of [1, 2, 3]) {
        source.send(n);
        while (seen.length < n) await settle(1);
      }
      source.complete();
      await done;
      expect(seen).to.deep.equal([1, 2, 3]);
    }),
  );
});
