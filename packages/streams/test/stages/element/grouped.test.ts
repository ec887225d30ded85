import { Flow, Source, StreamError } from "@millrace/streams";
import { expect } from "chai";
import { operatorSkeleton } from "../../support/operator-skeleton.js";

describe("grouped", () => {
  operatorSkeleton<number, readonly number[]>({
    name: "grouped",
    flow: () => Flow.of<number>().grouped(2),
    input: [1, 2, 3],
    output: [[1, 2], [3]],
    outputOfOne: [[1]],
    upstreamFails: { delivered: [[1, 2]] },
  });

  operatorSkeleton<number, readonly number[]>({
    name: "grouped that divides the input",
    flow: () => Flow.of<number>().grouped(2),
    input: [1, 2, 3, 4],
    output: [
      [1, 2],
      [3, 4],
    ],
    outputOfOne: [[1]],
  });

  it("refuses a size that is not a whole number >= 1", () => {
    for (const size of [0, -1, 1.5]) {
      expect(() => Source.empty().grouped(size)).to.throw(StreamError, "size must be a whole number >= 1");
    }
  });
});
