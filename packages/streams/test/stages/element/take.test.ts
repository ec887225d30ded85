import { Flow, Keep, Sink, Source, StreamError } from "@millrace/streams";
import { NO_MORE_ELEMENTS } from "@millrace/streams/stage";
import { assertAllClosed, forSeeds, sinkProbe, sourceProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { operatorSkeleton } from "../../support/operator-skeleton.js";

describe("take", () => {
  operatorSkeleton<number, number>({
    name: "take",
    flow: () => Flow.of<number>().take(3),
    input: [1, 2, 3, 4, 5],
    output: [1, 2, 3],
    outputOfOne: [1],
    upstreamFails: { after: 2, delivered: [1, 2] },
  });

  it("refuses a count that is negative or no whole number", () => {
    for (const count of [-1, 1.5, Number.NaN]) {
      expect(() => Source.empty().take(count)).to.throw(StreamError, "count must be a whole number >= 0");
    }
  });

  it("completes and cancels upstream as soon as the last element was emitted", () =>
    forSeeds(async (options) => {
      const [source, sink] = sourceProbe<number>().take(2).toMat(sinkProbe<number>(), Keep.both).run(options);
      source.send(1, 2);
      await sink.expectNext(1, 2);
      expect(await source.expectCancel()).to.equal(NO_MORE_ELEMENTS);
      await sink.expectComplete();
    }));

  it("does not see a failure that comes after the last element", () =>
    forSeeds(async (options) => {
      const source = Source.from([1, 2]).concat(Source.failed<number>(new Error("late")));
      expect(await source.take(2).runWith(Sink.toArray(), options)).to.deep.equal([1, 2]);
    }));

  it("completes without asking upstream when the count is 0", () =>
    assertAllClosed(async () => {
      const [source, sink] = sourceProbe<number>().take(0).toMat(sinkProbe<number>(), Keep.both).run();
      await sink.expectComplete();
      expect(source.pulls).to.equal(0);
      expect(source.cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
    }));
});
