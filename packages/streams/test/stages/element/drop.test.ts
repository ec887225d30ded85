import { Flow, Sink, Source, StreamError } from "@millrace/streams";
import { expect } from "chai";
import { operatorSkeleton } from "../../support/operator-skeleton.js";

describe("drop", () => {
  operatorSkeleton<number, number>({
    name: "drop",
    flow: () => Flow.of<number>().drop(2),
    input: [1, 2, 3, 4],
    output: [3, 4],
    outputOfOne: [],
  });

  it("refuses a count that is negative or no whole number", () => {
    for (const count of [-1, 1.5, Number.NaN]) {
      expect(() => Source.empty().drop(count)).to.throw(StreamError, "count must be a whole number >= 0");
    }
  });

  it("passes everything when the count is 0 and nothing when it exceeds the stream", async () => {
    expect(await Source.from([1, 2]).drop(0).runWith(Sink.toArray())).to.deep.equal([1, 2]);
    expect(await Source.from([1, 2]).drop(3).runWith(Sink.toArray())).to.deep.equal([]);
  });
});
