import { Flow, Sink, Source } from "@millrace/streams";
import { expect } from "chai";
import { operatorSkeleton } from "../../support/operator-skeleton.js";

describe("collect", () => {
  operatorSkeleton<number, string>({
    name: "collect",
    flow: () => Flow.of<number>().collect((n) => (n % 2 === 1 ? `n${n}` : undefined)),
    input: [1, 2, 3, 4, 5],
    output: ["n1", "n3", "n5"],
    outputOfOne: ["n1"],
    throwing: {
      flow: (check) =>
        Flow.of<number>().collect((n) => {
          check(n);
          return n % 2 === 1 ? `n${n}` : undefined;
        }),
      at: 2,
      delivered: ["n1"],
      resumed: ["n1", "n5"],
    },
  });

  it("drops only undefined: null, zero, false and the empty string pass", async () => {
    const falsy = [null, 0, false, "", undefined];
    expect(
      await Source.from(falsy)
        .collect((each) => each)
        .runWith(Sink.toArray()),
    ).to.deep.equal([null, 0, false, ""]);
  });
});
