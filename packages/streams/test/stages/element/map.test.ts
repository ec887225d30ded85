import { Flow } from "@millrace/streams";
import { operatorSkeleton } from "../../support/operator-skeleton.js";

describe("map", () => {
  operatorSkeleton<number, string>({
    name: "map",
    flow: () => Flow.of<number>().map((n) => `n${n}`),
    input: [1, 2, 3, 4],
    output: ["n1", "n2", "n3", "n4"],
    outputOfOne: ["n1"],
    throwing: {
      flow: (check) =>
        Flow.of<number>().map((n) => {
          check(n);
          return `n${n}`;
        }),
      at: 2,
      delivered: ["n1", "n2"],
      resumed: ["n1", "n2", "n4"],
    },
  });
});
