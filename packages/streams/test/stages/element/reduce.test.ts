import { Flow, Source, StreamError } from "@millrace/streams";
import { forSeeds } from "@millrace/streams-testkit";
import { expect } from "chai";
import { operatorSkeleton, outcomeOf } from "../../support/operator-skeleton.js";

const sum = (check: (n: number) => void = () => undefined): Flow<number, number> =>
  Flow.of<number>().reduce((accumulated, n) => {
    check(n);
    return accumulated + n;
  });

describe("reduce", () => {
  operatorSkeleton<number, number>({
    name: "reduce",
    flow: () => sum(),
    input: [1, 2, 3],
    output: [6],
    outputOfEmpty: "fails",
    outputOfOne: [1],
    upstreamFails: { delivered: [] },
    throwing: { flow: sum, at: 1, delivered: [], resumed: [4], restarted: [3] },
  });

  it("fails with EMPTY_STREAM when there was no element", () =>
    forSeeds(async (options) => {
      const { failure } = await outcomeOf(Source.empty<number>().via(sum()), options);
      expect(failure).to.be.instanceOf(StreamError);
      expect((failure as StreamError).code).to.equal("EMPTY_STREAM");
    }));
});
