import { Flow, Keep, Sink, Source } from "@millrace/streams";
import { assertAllClosed, forSeeds, sinkProbe, sourceProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { failingAfter, operatorSkeleton } from "../../support/operator-skeleton.js";

const failureOf = (end: Promise<void>): Promise<unknown> =>
  end.then(
    () => "resolved",
    (error: unknown) => error,
  );

describe("watchTermination", () => {
  operatorSkeleton<number, number>({
    name: "watchTermination",
    flow: () => Flow.of<number>().watchTermination(Keep.right),
    input: [1, 2, 3],
    output: [1, 2, 3],
    outputOfOne: [1],
  });

  it("rejects with the failure that passed", () =>
    forSeeds(async (options) => {
      const error = new Error("boom");
      const [end, sink] = failingAfter([1], error)
        .watchTermination(Keep.right)
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      await sink.expectNext(1);
      expect(await sink.expectError()).to.equal(error);
      expect(await failureOf(end)).to.equal(error);
    }));

  it("rejects with downstream's failure", () =>
    forSeeds(async (options) => {
      const error = new Error("downstream");
      const [end, sink] = sourceProbe<number>()
        .watchTermination(Keep.right)
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      sink.cancel(error);
      expect(await failureOf(end)).to.equal(error);
    }));

  it("needs no handler when the stream fails", () =>
    forSeeds(async (options) => {
      const [, sink] = Source.failed<number>(new Error("boom"))
        .watchTermination(Keep.right)
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      await sink.expectError();
    }));

  it("resolves when downstream cancels", () =>
    forSeeds(async (options) => {
      const [end, head] = Source.from([1, 2])
        .watchTermination(Keep.right)
        .toMat(Sink.head<number>(), Keep.both)
        .run(options);
      expect(await head).to.equal(1);
      await end;
    }));

  it("resolves when the stream completes, not before", () =>
    forSeeds((options) =>
      assertAllClosed(async () => {
        let ended = false;
        const [[source, end], sink] = sourceProbe<number>()
          .watchTermination(Keep.both)
          .toMat(sinkProbe<number>(), Keep.both)
          .run(options);
        const marked = end.then(() => {
          ended = true;
        });
        source.send(1);
        await sink.expectNext(1);
        await sink.expectNothing();
        expect(ended).to.equal(false);
        source.complete();
        await sink.expectComplete();
        await marked;
      }),
    ));
});
