import { type BoundaryOptions, Flow, Keep, Sink, Source, StreamError } from "@millrace/streams";
import { settle, sinkProbe, sourceProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import fc from "fast-check";
import { operatorSkeleton } from "../../support/operator-skeleton.js";
import { asItIs, eachSeed } from "../../support/runs.js";

type Numbers = readonly number[];

const none = (): Numbers => [];
const upTo =
  (size: number) =>
  (kept: Numbers, n: number): readonly [Numbers, boolean] => [[...kept, n], kept.length + 1 === size];
const itself = (kept: Numbers): Numbers => kept;

const numbers = (): Flow<number, number> => Flow.of<number>();
const graph = (options: BoundaryOptions<Numbers, number> = {}) =>
  sourceProbe<number>().aggregateWithBoundary(none, upTo(3), itself, options).toMat(sinkProbe<Numbers>(), Keep.both);

describe("aggregateWithBoundary", () => {
  operatorSkeleton<number, Numbers>({
    name: "aggregateWithBoundary",
    flow: () => numbers().aggregateWithBoundary(none, upTo(2), itself),
    input: [1, 2, 3, 4, 5],
    output: [[1, 2], [3, 4], [5]],
    outputOfOne: [[1]],
    kind: "async",
    upstreamFails: {
      delivered: [
        [1, 2],
        [3, 4],
      ],
    },
    throwing: {
      flow: (check) =>
        numbers().aggregateWithBoundary(
          none,
          (kept, n) => {
            check(n);
            return upTo(2)(kept, n);
          },
          itself,
        ),
      at: 3,
      delivered: [[1, 2]],
      resumed: [
        [1, 2],
        [3, 5],
      ],
      restarted: [[1, 2], [5]],
    },
  });

  operatorSkeleton<number, Numbers>({
    name: "aggregateWithBoundary, with startsNew",
    flow: () => numbers().aggregateWithBoundary(none, upTo(9), itself, { startsNew: (_, n) => n % 2 === 1 }),
    input: [1, 2, 3, 4, 5],
    output: [[1, 2], [3, 4], [5]],
    outputOfOne: [[1]],
    kind: "async",
    upstreamFails: {
      delivered: [
        [1, 2],
        [3, 4],
      ],
    },
  });

  it("refuses an interval that is not positive when the graph is built", () => {
    for (const intervalMs of [0, -1, Number.NaN]) {
      expect(() => graph({ emitOnTimer: { intervalMs } })).to.throw(StreamError, "emitOnTimer.intervalMs must be > 0");
    }
  });

  for (const [name, resumed] of [
    ["stop", undefined],
    ["resume", [[3, 4]]],
    ["restart", [[3, 4]]],
  ] as const) {
    it(
      `a throw of harvest gives up its aggregate alone, where the decider says ${name}`,
      eachSeed(async (options) => {
        const error = new Error("harvest");
        const sink = Source.from([1, 2, 3, 4])
          .aggregateWithBoundary(none, upTo(2), (kept) => {
            if (kept[0] === 1) throw error;
            return kept;
          })
          .withAttributes({ supervision: () => name })
          .runWith(sinkProbe<Numbers>(), options);
        if (resumed) expect(await sink.rest()).to.deep.equal(resumed);
        else {
          sink.request();
          expect(await sink.expectError()).to.equal(error);
        }
      }),
    );
  }

  it(
    "a throw of harvest before the element that starts a new one leaves that element in",
    eachSeed(async (options) => {
      const sink = Source.from([1, 2, 3])
        .aggregateWithBoundary(
          none,
          upTo(9),
          (kept) => {
            if (kept[0] === 1) throw new Error("harvest");
            return kept;
          },
          { startsNew: (_, n) => n === 2 },
        )
        .withAttributes({ supervision: () => "resume" })
        .runWith(sinkProbe<Numbers>(), options);
      expect(await sink.rest()).to.deep.equal([[2, 3]]);
    }),
  );

  it(
    "stops its timer when upstream fails, when it is cancelled, and when an aggregate is complete",
    eachSeed(async (options, clock) => {
      const emitOnTimer = { intervalMs: 100 };
      const [failing, first] = graph({ emitOnTimer }).run(options);
      first.request();
      failing.send(1);
      await settle();
      expect(clock.pending).to.equal(1);
      failing.fail(new Error("upstream"));
      await first.expectError();
      expect(clock.pending).to.equal(0);
      const [source, second] = graph({ emitOnTimer }).run(options);
      source.send(1, 2, 3);
      await second.expectNext([1, 2, 3]);
      expect(clock.pending).to.equal(0);
      second.request();
      source.send(4);
      await settle();
      expect(clock.pending).to.equal(1);
      second.cancel();
      expect(clock.pending).to.equal(0);
    }),
  );

  it(
    "by timer emits what is kept, and nothing where nothing is",
    eachSeed(async (options, clock) => {
      const [source, sink] = graph({ emitOnTimer: { intervalMs: 100 } }).run(options);
      sink.request();
      await clock.advance(1000);
      source.send(1, 2);
      await settle();
      await clock.advance(99);
      await sink.expectNothing();
      await clock.advance(1);
      await sink.expectNext([1, 2]);
      sink.request();
      await clock.advance(1000);
      expect(sink.received).to.deep.equal([[1, 2]]);
      sink.cancel();
    }),
  );

  it(
    "asks `when` at every interval, until it says yes; a throw of it fails the stream",
    eachSeed(async (options, clock) => {
      const error = new Error("when");
      const when = (kept: Numbers): boolean => {
        if (kept[0] === 9) throw error;
        return kept.length === 2;
      };
      const [source, sink] = graph({ emitOnTimer: { intervalMs: 100, when } }).run(options);
      source.send(1);
      sink.request();
      await settle();
      await clock.advance(150);
      await sink.expectNothing();
      source.send(2);
      await settle();
      await clock.advance(50);
      await sink.expectNext([1, 2]);
      source.send(9);
      sink.request();
      await settle();
      await clock.advance(100);
      expect(await sink.expectError()).to.equal(error);
    }),
  );

  it(
    "backpressures while an aggregate waits for downstream",
    asItIs(async (options) => {
      const [source, sink] = graph().run(options);
      source.send(1, 2, 3, 4);
      await sink.expectNext([1, 2, 3]);
      source.send(5, 6);
      await sink.expectNext([4, 5, 6]);
      await source.expectNoPull();
      source.complete();
      await sink.expectComplete();
    }),
  );

  it("loses and repeats no element, and splits exactly at the boundaries", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(9)), fc.nat(9), fc.nat(9), async (input, first, last) => {
        const groups = await Source.from(input)
          .aggregateWithBoundary(none, (kept, n) => [[...kept, n], n === last], itself, {
            startsNew: (_, n) => n === first,
          })
          .runWith(Sink.toArray());
        expect(groups.flat()).to.deep.equal(input);
        groups.forEach((group, index) => {
          expect(group.slice(1)).not.to.include(first);
          expect(group.slice(0, -1)).not.to.include(last);
          const next = groups[index + 1];
          if (next) expect(group.at(-1) === last || next[0] === first).to.equal(true);
        });
      }),
    );
  });
});
