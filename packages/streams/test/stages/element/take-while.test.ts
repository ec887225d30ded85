import { Flow, Keep } from "@millrace/streams";
import { NO_MORE_ELEMENTS } from "@millrace/streams/stage";
import { forSeeds, sinkProbe, sourceProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { operatorSkeleton } from "../../support/operator-skeleton.js";

const belowFive =
  (options?: { readonly inclusive?: boolean }) =>
  (check: (n: number) => void): Flow<number, number> =>
    Flow.of<number>().takeWhile((n) => {
      check(n);
      return n < 5;
    }, options);

describe("takeWhile", () => {
  operatorSkeleton<number, number>({
    name: "takeWhile",
    flow: () => belowFive()(() => undefined),
    input: [1, 2, 3, 9, 4],
    output: [1, 2, 3],
    outputOfOne: [1],
    upstreamFails: { after: 3, delivered: [1, 2, 3] },
    throwing: { flow: belowFive(), at: 1, delivered: [1], resumed: [1, 3] },
  });

  operatorSkeleton<number, number>({
    name: "inclusive takeWhile",
    flow: () => belowFive({ inclusive: true })(() => undefined),
    input: [1, 2, 3, 9, 4],
    output: [1, 2, 3, 9],
    outputOfOne: [1],
    upstreamFails: { after: 3, delivered: [1, 2, 3] },
    throwing: { flow: belowFive({ inclusive: true }), at: 1, delivered: [1], resumed: [1, 3, 9] },
  });

  it("completes and cancels upstream when holds is first false, and asks holds no more", () =>
    forSeeds(async (options) => {
      const asked: number[] = [];
      const [source, sink] = sourceProbe<number>()
        .via(belowFive()((n) => void asked.push(n)))
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      source.sendChunk([1, 9, 2]);
      await sink.expectNext(1);
      await sink.expectComplete();
      expect(source.cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
      expect(asked).to.deep.equal([1, 9]);
    }));
});
