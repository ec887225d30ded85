import { Flow, Keep, Sink, Source, StreamError, type ThrottleOptions } from "@millrace/streams";
import { settle, sinkProbe, sourceProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { operatorSkeleton } from "../../support/operator-skeleton.js";
import { asItIs, eachSeed } from "../../support/runs.js";

const range = (length: number): readonly number[] => Array.from({ length }, (_, index) => index);

describe("throttle", () => {
  operatorSkeleton<number, number>({
    name: "throttle",
    flow: () => Flow.of<number>().throttle({ elements: 1, perMs: 100, maximumBurst: 2 }),
    input: [1, 2, 3, 4, 5],
    output: [1, 2, 3, 4, 5],
    outputOfOne: [1],
    kind: "async",
    timed: true,
  });

  it("refuses rates that are not positive when the graph is built", () => {
    const refused: readonly (readonly [ThrottleOptions, string])[] = [
      [{ elements: 0, perMs: 1 }, "elements must be"],
      [{ elements: 1.5, perMs: 1 }, "elements must be"],
      [{ elements: 1, perMs: 0 }, "perMs must be > 0"],
      [{ elements: 1, perMs: 1, maximumBurst: 0 }, "maximumBurst must be"],
    ];
    for (const [options, message] of refused) {
      expect(() => Flow.of<number>().throttle(options)).to.throw(StreamError, message);
    }
  });

  it(
    "enforcing, fails with RATE_EXCEEDED after what the rate allows, and cancels upstream",
    asItIs(async (options) => {
      const [source, sink] = sourceProbe<number>()
        .throttle({ elements: 2, perMs: 100, mode: "enforcing" })
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      source.sendChunk([1, 2, 3]);
      await sink.expectNext(1, 2);
      const error = await sink.expectError();
      expect(error).to.be.instanceOf(StreamError).with.property("code", "RATE_EXCEEDED");
      expect(source.cancellations).to.deep.equal([error]);
    }),
  );

  it(
    "enforcing, passes nothing more once it has failed, however late downstream asks",
    asItIs(async (options, clock) => {
      const [source, sink] = sourceProbe<number>()
        .throttle({ elements: 2, perMs: 100, mode: "enforcing" })
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      source.sendChunk([1, 2, 3, 4]);
      await sink.expectNext(1, 2);
      await clock.advance(1000);
      await sink.expectError();
      expect(sink.received).to.deep.equal([1, 2]);
    }),
  );

  it(
    "enforcing, passes what keeps to the rate",
    eachSeed(async (options, clock) => {
      const [source, sink] = sourceProbe<number>()
        .throttle({ elements: 1, perMs: 10, mode: "enforcing" })
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      for (const n of range(20)) {
        source.send(n);
        await sink.expectNext(n);
        await clock.advance(10);
      }
      source.complete();
      await sink.expectComplete();
    }),
  );

  it(
    "stops its timer when it is cancelled",
    asItIs(async (options, clock) => {
      const [source, sink] = sourceProbe<number>()
        .throttle({ elements: 1, perMs: 100 })
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      source.sendChunk([1, 2]);
      await sink.expectNext(1);
      await sink.expectNothing();
      expect(clock.pending).to.equal(1);
      sink.cancel();
      expect(clock.pending).to.equal(0);
    }),
  );

  it(
    "passes a first burst and then one element per share of the interval",
    eachSeed(async (options, clock) => {
      const seen: (readonly [at: number, n: number])[] = [];
      const end = Source.from(range(6))
        .throttle({ elements: 2, perMs: 100 })
        .runWith(
          Sink.forEach((n: number) => void seen.push([clock.now(), n])),
          options,
        );
      await clock.advance(1000);
      await end;
      expect(seen).to.deep.equal([
        [0, 0],
        [0, 1],
        [50, 2],
        [100, 3],
        [150, 4],
        [200, 5],
      ]);
    }),
  );

  it(
    "saves up at most `maximumBurst` while upstream is silent",
    eachSeed(async (options, clock) => {
      const seen: (readonly [at: number, n: number])[] = [];
      const [source, end] = sourceProbe<number>()
        .throttle({ elements: 1, perMs: 100, maximumBurst: 3 })
        .toMat(
          Sink.forEach((n: number) => void seen.push([clock.now(), n])),
          Keep.both,
        )
        .run(options);
      await clock.advance(10_000);
      source.sendChunk(range(5));
      source.complete();
      await clock.advance(1000);
      await end;
      expect(seen).to.deep.equal([
        [10_000, 0],
        [10_000, 1],
        [10_000, 2],
        [10_100, 3],
        [10_200, 4],
      ]);
    }),
  );

  it(
    "backpressures while no token is there",
    asItIs(async (options, clock) => {
      const [source, sink] = sourceProbe<number>()
        .throttle({ elements: 1, perMs: 100 })
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      source.send(1, 2, 3, 4);
      await sink.expectNext(1);
      await sink.expectNothing();
      await source.expectNoPull();
      await clock.advance(100);
      await sink.expectNext(2);
      sink.cancel();
      await settle();
    }),
  );

  it(
    "keeps the rate over a long run, without drift",
    asItIs(async (options, clock) => {
      const end = Source.from(range(1001))
        .throttle({ elements: 3, perMs: 10, maximumBurst: 1 })
        .runWith(Sink.last<number>(), options);
      let endedAt = 0;
      void end.then(() => {
        endedAt = clock.now();
      });
      await clock.advance(3400);
      expect(await end).to.equal(1000);
      expect(endedAt).to.be.closeTo(1000 * (10 / 3), 4);
    }),
  ).timeout(20_000);

  const rates: readonly (readonly [elements: number, perMs: number, burst: number])[] = [
    [100, 1000, 10],
    [1, 1000, 1],
    [16, 1000, 1],
    [2, 100, 2],
    [10, 10, 10],
    [600, 60_000, 1],
  ];
  for (const [elements, perMs, burst] of rates) {
    it(
      `by default passes ${burst} at once of ${elements} per ${perMs} ms, and no window gets twice its quota`,
      asItIs(async (options, clock) => {
        const at: number[] = [];
        const end = Source.from(range(3 * elements))
          .throttle({ elements, perMs })
          .runWith(
            Sink.forEach(() => void at.push(clock.now())),
            options,
          );
        await clock.advance(4 * perMs);
        await end;
        expect(at.filter((time) => time === at[0])).to.have.length(burst);
        const most = Math.max(...at.map((from) => at.filter((time) => time >= from && time < from + perMs).length));
        expect(most).to.be.at.most(elements + burst - 1);
      }),
    );
  }
});
