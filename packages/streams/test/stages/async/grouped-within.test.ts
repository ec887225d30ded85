import { Flow, Keep, StreamError } from "@millrace/streams";
import { settle, sinkProbe, sourceProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { operatorSkeleton } from "../../support/operator-skeleton.js";
import { asItIs, eachSeed } from "../../support/runs.js";

const graph = (size: number, intervalMs: number) =>
  sourceProbe<number>().groupedWithin(size, intervalMs).toMat(sinkProbe<readonly number[]>(), Keep.both);

describe("groupedWithin", () => {
  operatorSkeleton<number, readonly number[]>({
    name: "groupedWithin",
    flow: () => Flow.of<number>().groupedWithin(2, 1e9),
    input: [1, 2, 3, 4, 5],
    output: [[1, 2], [3, 4], [5]],
    outputOfOne: [[1]],
    kind: "async",
    timed: true,
    upstreamFails: {
      delivered: [
        [1, 2],
        [3, 4],
      ],
    },
  });

  it("refuses a size or an interval that is not positive when the graph is built", () => {
    expect(() => Flow.of<number>().groupedWithin(0, 1)).to.throw(StreamError, "groupedWithin: size must be");
    expect(() => Flow.of<number>().groupedWithin(1, 0)).to.throw(StreamError, "groupedWithin: intervalMs must be > 0");
    expect(() => Flow.of<number>().groupedWithin(1, Number.NaN)).to.throw(StreamError, "got NaN");
  });

  it(
    "stops its timer when upstream fails, and drops the group",
    eachSeed(async (options, clock) => {
      const error = new Error("upstream");
      const [source, sink] = graph(10, 100).run(options);
      sink.request();
      source.send(1);
      await settle();
      expect(clock.pending).to.equal(1);
      source.fail(error);
      expect(await sink.expectError()).to.equal(error);
      expect(clock.pending).to.equal(0);
    }),
  );

  it(
    "stops its timer when it is cancelled",
    eachSeed(async (options, clock) => {
      const [source, sink] = graph(10, 100).run(options);
      sink.request();
      source.send(1);
      await settle();
      expect(clock.pending).to.equal(1);
      sink.cancel();
      expect(clock.pending).to.equal(0);
    }),
  );

  it(
    "stops its timer when it completes",
    eachSeed(async (options, clock) => {
      const [source, sink] = graph(10, 100).run(options);
      source.send(1);
      source.complete();
      expect(await sink.rest()).to.deep.equal([[1]]);
      expect(clock.pending).to.equal(0);
    }),
  );

  it(
    "emits when the interval since the first element of the group has passed",
    eachSeed(async (options, clock) => {
      const [source, sink] = graph(10, 100).run(options);
      sink.request();
      await clock.advance(1000);
      source.send(1);
      await settle();
      await clock.advance(60);
      source.send(2);
      await settle();
      await clock.advance(39);
      await sink.expectNothing();
      await clock.advance(1);
      await sink.expectNext([1, 2]);
      sink.cancel();
    }),
  );

  it(
    "starts the interval anew with each group",
    eachSeed(async (options, clock) => {
      const [source, sink] = graph(2, 100).run(options);
      source.send(1);
      await sink.expectNothing();
      await clock.advance(90);
      source.send(2);
      await sink.expectNext([1, 2]);
      source.send(3);
      await sink.expectNothing();
      await clock.advance(99);
      await sink.expectNothing();
      await clock.advance(1);
      await sink.expectNext([3]);
      sink.cancel();
    }),
  );

  it(
    "emits no empty groups, however long upstream is silent",
    eachSeed(async (options, clock) => {
      const [source, sink] = graph(2, 10).run(options);
      sink.request();
      await clock.advance(1000);
      expect(sink.received).to.deep.equal([]);
      source.complete();
      await sink.expectComplete();
    }),
  );

  it(
    "closes a group by the interval even while downstream is busy",
    asItIs(async (options, clock) => {
      const [source, sink] = graph(10, 100).run(options);
      source.send(0);
      sink.request();
      await clock.advance(100);
      await sink.expectNext([0]);
      sink.request();
      source.send(1);
      await clock.advance(100);
      source.send(2);
      await settle();
      await sink.expectNext([1]);
      await clock.advance(100);
      await sink.expectNext([2]);
      sink.cancel();
    }),
  );

  it(
    "backpressures while a full group waits for downstream",
    asItIs(async (options) => {
      const [source, sink] = graph(2, 100).run(options);
      source.send(1, 2, 3, 4, 5, 6, 7);
      await sink.expectNext([1, 2]);
      await settle();
      await source.expectNoPull();
      source.complete();
      expect(await sink.rest()).to.deep.equal([[3, 4], [5, 6], [7]]);
    }),
  );
});
