import { Keep, Sink, Source, StreamError } from "@millrace/streams";
import { settle, sinkProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { asItIs, eachSeed } from "../../support/runs.js";

const ticks = Source.tick({ initialDelayMs: 100, intervalMs: 10 }, "tick");

describe("Source.tick", () => {
  it("refuses a negative delay or an interval that is not positive when the graph is built", () => {
    expect(() => Source.tick({ initialDelayMs: -1, intervalMs: 1 }, "")).to.throw(StreamError, "initialDelayMs");
    expect(() => Source.tick({ initialDelayMs: 0, intervalMs: 0 }, "")).to.throw(StreamError, "intervalMs must be > 0");
    expect(() => Source.tick({ initialDelayMs: Number.NaN, intervalMs: 1 }, "")).to.throw(StreamError, "got NaN");
  });

  it(
    "stops its timer when downstream cancels",
    eachSeed(async (options, clock) => {
      const sink = ticks.runWith(sinkProbe<string>(), options);
      sink.request();
      await clock.advance(50);
      expect(clock.pending).to.equal(1);
      sink.cancel();
      expect(clock.pending).to.equal(0);
    }),
  );

  it(
    "stops its timer when another part of the graph fails",
    asItIs(async (options, clock) => {
      const failed = ticks.zip(Source.failed(new Error("other"))).runWith(Sink.ignore, options);
      await failed.catch(() => undefined);
      await settle();
      expect(clock.pending).to.equal(0);
    }),
  );

  it(
    "completes when its handle is cancelled, while downstream waits or not",
    eachSeed(async (options, clock) => {
      const [waited, sink] = ticks.toMat(sinkProbe<string>(), Keep.both).run(options);
      await sink.expectNothing();
      waited.cancel();
      waited.cancel();
      await sink.expectComplete();
      const [unasked, later] = ticks.toMat(sinkProbe<string>(), Keep.both).run(options);
      unasked.cancel();
      await later.expectComplete();
      expect(clock.pending).to.equal(0);
    }),
  );

  it(
    "bears its handle being cancelled by a function of its own stream",
    eachSeed(async (options, clock) => {
      const seen: string[] = [];
      const [handle, end] = ticks
        .mapAsync(2, async (element) => {
          seen.push(element);
          handle.cancel();
          return element;
        })
        .toMat(Sink.toArray<string>(), Keep.both)
        .run(options);
      await clock.advance(1000);
      expect(await end).to.deep.equal(seen);
      expect(seen).to.deep.equal(["tick"]);
    }),
  );

  it(
    "ticks first after the initial delay, then at the interval",
    asItIs(async (options, clock) => {
      const at: number[] = [];
      const end = ticks.take(4).runWith(
        Sink.forEach(() => void at.push(clock.now())),
        options,
      );
      await clock.advance(1000);
      await end;
      expect(at).to.deep.equal([100, 110, 120, 130]);
    }),
  );

  it(
    "drops the ticks that find no demand, rather than save them up",
    asItIs(async (options, clock) => {
      const sink = ticks.runWith(sinkProbe<string>(), options);
      await clock.advance(1000);
      await sink.expectNothing();
      await clock.advance(10);
      await sink.expectNext("tick");
      sink.cancel();
    }),
  );
});
