import { Flow, Source } from "@millrace/streams";
import { forSeeds } from "@millrace/streams-testkit";
import { expect } from "chai";
import { failingAfter, operatorSkeleton, outcomeOf } from "../../support/operator-skeleton.js";

describe("recover", () => {
  operatorSkeleton<number, number | string>({
    name: "recover",
    flow: () => Flow.of<number>().recover(() => "recovered"),
    input: [1, 2, 3],
    output: [1, 2, 3],
    outputOfOne: [1],
    upstreamFails: "handled",
  });

  it("passes the failure on when the function answers undefined", () =>
    forSeeds(async (options) => {
      const error = new Error("boom");
      const source = failingAfter([1, 2], error).recover(() => undefined);
      expect(await outcomeOf(source, options)).to.deep.equal({ delivered: [1, 2], failure: error });
    }));

  it("fails with the function's own error when it throws", () =>
    forSeeds(async (options) => {
      const own = new Error("own");
      const source = failingAfter([1], new Error("boom")).recover(() => {
        throw own;
      });
      const { delivered, failure } = await outcomeOf(source, options);
      expect(delivered).to.deep.equal([1]);
      expect(failure).to.equal(own);
    }));

  it("emits one last element made from the failure, then completes", () =>
    forSeeds(async (options) => {
      const source = failingAfter([1, 2], new Error("boom")).recover((error) => (error as Error).message);
      expect(await outcomeOf(source, options)).to.deep.equal({ delivered: [1, 2, "boom"] });
    }));

  it("recovers with falsy elements", () =>
    forSeeds(async (options) => {
      for (const element of [null, 0, "", false]) {
        const source = Source.failed<number>(new Error("boom")).recover(() => element);
        expect(await outcomeOf(source, options)).to.deep.equal({ delivered: [element] });
      }
    }));
});
