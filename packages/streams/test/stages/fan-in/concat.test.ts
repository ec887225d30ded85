import { Flow, Sink, Source } from "@millrace/streams";
import { NO_MORE_ELEMENTS } from "@millrace/streams/stage";
import { settle, sinkProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { heldProbe } from "../../support/held-probe.js";
import { operatorSkeleton } from "../../support/operator-skeleton.js";
import { asItIs, eachSeed } from "../../support/runs.js";

describe("concat", () => {
  operatorSkeleton<number, number>({
    name: "concat",
    flow: () => Flow.of<number>().concat(Source.from([7, 8, 9])),
    input: [1, 2, 3],
    output: [1, 2, 3, 7, 8, 9],
    outputOfEmpty: [7, 8, 9],
    outputOfOne: [1, 7, 8, 9],
    upstreamFails: { delivered: [1, 2, 3] },
  });

  const first = heldProbe<number>();
  const second = heldProbe<number>();
  const both = first.source.concat(second.source);

  it(
    "fails when the first fails, and cancels the second, which was never asked",
    asItIs(async (options) => {
      const error = new Error("first");
      const sink = both.runWith(sinkProbe<number>(), options);
      first.probe.send(1);
      first.probe.fail(error);
      await sink.expectNext(1);
      expect(await sink.expectError()).to.equal(error);
      expect(second.probe.cancellations).to.deep.equal([error]);
      expect(second.probe.pulls).to.equal(0);
    }),
  );

  it(
    "fails when the second fails",
    eachSeed(async (options) => {
      const error = new Error("second");
      const sink = both.runWith(sinkProbe<number>(), options);
      first.probe.complete();
      second.probe.send(2);
      second.probe.fail(error);
      await sink.expectNext(2);
      expect(await sink.expectError()).to.equal(error);
      expect(first.probe.cancellations).to.deep.equal([]);
    }),
  );

  it("materialises what combine makes of both, by default the left value", async () => {
    const combined = first.source
      .concatMat(second.source, (...mats) => mats)
      .to(Sink.ignore)
      .run();
    expect(combined).to.deep.equal([first.probe, second.probe]);
    const kept = first.source.concat(second.source).to(Sink.ignore).run();
    expect(kept).to.equal(first.probe);
    for (const probe of [...combined, first.probe, second.probe]) probe.complete();
    await settle();
  });

  it(
    "cancels both while the first still runs",
    eachSeed(async (options) => {
      const sink = both.runWith(sinkProbe<number>(), options);
      await sink.expectNothing();
      sink.cancel();
      expect(first.probe.cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
      expect(second.probe.cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
    }),
  );

  it(
    "cancels only the second once the first has completed",
    eachSeed(async (options) => {
      const sink = both.runWith(sinkProbe<number>(), options);
      first.probe.complete();
      await sink.expectNothing();
      sink.cancel();
      expect(first.probe.cancellations).to.deep.equal([]);
      expect(second.probe.cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
    }),
  );

  it(
    "does not ask the second before the first has completed",
    asItIs(async (options) => {
      const sink = both.runWith(sinkProbe<number>(), options);
      second.probe.send(2);
      first.probe.send(1);
      await sink.expectNext(1);
      await sink.expectNothing();
      expect(second.probe.pulls).to.equal(0);
      first.probe.complete();
      await sink.expectNext(2);
      second.probe.complete();
      await sink.expectComplete();
    }),
  );

  it("goes through empty ones without a turn of the event loop for each", async () => {
    const empties = Array.from({ length: 500 }, () => Source.empty<number>());
    const chain = empties.reduce((all, each) => all.concat(each), Source.single(1)).concat(Source.single(2));
    expect(await chain.runWith(Sink.toArray())).to.deep.equal([1, 2]);
    await settle();
  });
});
