import { Flow, Sink, Source } from "@millrace/streams";
import { NO_MORE_ELEMENTS } from "@millrace/streams/stage";
import { settle, sinkProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { heldProbe } from "../../support/held-probe.js";
import { operatorSkeleton } from "../../support/operator-skeleton.js";
import { asItIs, eachSeed } from "../../support/runs.js";

describe("merge", () => {
  operatorSkeleton<number, number>({
    name: "merge",
    flow: () => Flow.of<number>().merge(Source.from([7, 8, 9])),
    input: [1, 2, 3],
    output: [1, 2, 3, 7, 8, 9],
    outputOfEmpty: [7, 8, 9],
    outputOfOne: [1, 7, 8, 9],
    unordered: true,
    kind: "async",
  });

  const left = heldProbe<number>();
  const right = heldProbe<string>();
  const merged = left.source.merge(right.source);

  for (const [name, failing, other] of [
    ["left", left, right],
    ["right", right, left],
  ] as const) {
    it(
      `fails when the ${name} one fails, and cancels the other with that error`,
      eachSeed(async (options) => {
        const error = new Error(name);
        const sink = merged.runWith(sinkProbe(), options);
        sink.request();
        await settle();
        failing.probe.fail(error);
        expect(await sink.expectError()).to.equal(error);
        expect(other.probe.cancellations).to.deep.equal([error]);
      }),
    );

    it(
      `goes on with the other when the ${name} one completes`,
      eachSeed(async (options) => {
        const sink = merged.runWith(sinkProbe(), options);
        failing.probe.complete();
        await sink.expectNothing();
        expect(other.probe.cancellations).to.deep.equal([]);
        other.probe.complete();
        await sink.expectComplete();
      }),
    );
  }

  it("materialises what combine makes of both, by default the left value", async () => {
    const combined = left.source
      .mergeMat(right.source, (...mats) => mats)
      .to(Sink.ignore)
      .run();
    expect(combined).to.deep.equal([left.probe, right.probe]);
    const kept = left.source.merge(right.source).to(Sink.ignore).run();
    expect(kept).to.equal(left.probe);
    for (const probe of [...combined, left.probe, right.probe]) probe.complete();
    await settle();
  });

  it(
    "cancels both when downstream cancels",
    eachSeed(async (options) => {
      const sink = merged.runWith(sinkProbe(), options);
      await sink.expectNothing();
      sink.cancel();
      expect(left.probe.cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
      expect(right.probe.cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
    }),
  );

  it(
    "does not wait for one that is silent",
    eachSeed(async (options) => {
      const sink = merged.runWith(sinkProbe(), options);
      left.probe.send(1, 2);
      await sink.expectNext(1, 2);
      right.probe.send("a");
      await sink.expectNext("a");
      sink.cancel();
    }),
  );

  it(
    "takes from both in turn when both have some",
    asItIs(async (options) => {
      const sink = merged.runWith(sinkProbe(), options);
      left.probe.send(1, 2, 3);
      right.probe.send("a", "b", "c");
      await sink.expectNext(1, "a", 2, "b", 3, "c");
      sink.cancel();
    }),
  );

  it(
    "asks neither while downstream does not ask",
    asItIs(async (options) => {
      const sink = merged.runWith(sinkProbe(), options);
      await settle();
      expect(left.probe.pulls + right.probe.pulls).to.equal(0);
      sink.cancel();
    }),
  );

  it(
    "keeps the order of each, and every element, of many",
    eachSeed(async (options) => {
      const range = (from: number): readonly number[] => Array.from({ length: 200 }, (_, index) => from + index);
      const sources = [0, 1000, 2000, 3000].map((from) => Source.from(range(from)));
      const elements = await sources.reduce((all, each) => all.merge(each)).runWith(Sink.toArray(), options);
      for (const from of [0, 1000, 2000, 3000]) {
        expect(elements.filter((n) => n >= from && n < from + 1000)).to.deep.equal(range(from));
      }
    }),
  );
});
