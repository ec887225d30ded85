import { Flow, Sink, Source } from "@millrace/streams";
import { forSeeds } from "@millrace/streams-testkit";
import { expect } from "chai";
import { operatorSkeleton } from "../../support/operator-skeleton.js";

const numbers = (): Flow<number, number> => Flow.of<number>();

describe("filter", () => {
  operatorSkeleton<number, number>({
    name: "filter",
    flow: () => numbers().filter((n) => n % 2 === 1),
    input: [1, 2, 3, 4, 5],
    output: [1, 3, 5],
    outputOfOne: [1],
    throwing: {
      flow: (check) =>
        numbers().filter((n) => {
          check(n);
          return n % 2 === 1;
        }),
      at: 2,
      delivered: [1],
      resumed: [1, 5],
    },
  });

  it("passes over any number of elements that do not hold", () =>
    forSeeds(async (options) => {
      const many = Source.from(Array.from({ length: 5000 }, (_, index) => index));
      expect(await many.filter((n) => n === 4999).runWith(Sink.toArray(), options)).to.deep.equal([4999]);
      expect(await many.filter(() => false).runWith(Sink.toArray(), options)).to.deep.equal([]);
    }));

  it("narrows the element type with a type guard", async () => {
    const mixed: Source<number | string> = Source.from<number | string>([1, "a", 2]);
    const strings: Source<string> = mixed.filter((element): element is string => typeof element === "string");
    expect(await strings.runWith(Sink.toArray())).to.deep.equal(["a"]);
  });
});

describe("filterNot", () => {
  operatorSkeleton<number, number>({
    name: "filterNot",
    flow: () => numbers().filterNot((n) => n % 2 === 0),
    input: [1, 2, 3, 4, 5],
    output: [1, 3, 5],
    outputOfOne: [1],
    throwing: {
      flow: (check) =>
        numbers().filterNot((n) => {
          check(n);
          return n % 2 === 0;
        }),
      at: 2,
      delivered: [1],
      resumed: [1, 5],
    },
  });
});
