import { Flow, Keep } from "@millrace/streams";
import { assertAllClosed, sinkProbe, sourceProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { operatorSkeleton } from "../../support/operator-skeleton.js";

const sums = (check: (n: number) => void = () => undefined): Flow<number, number> =>
  Flow.of<number>().scan(0, (sum, n) => {
    check(n);
    return sum + n;
  });

describe("scan", () => {
  operatorSkeleton<number, number>({
    name: "scan",
    flow: () => sums(),
    input: [1, 2, 3],
    output: [0, 1, 3, 6],
    outputOfEmpty: [0],
    outputOfOne: [0, 1],
    throwing: { flow: sums, at: 1, delivered: [0, 1], resumed: [0, 1, 4], restarted: [0, 1, 3] },
  });

  it("emits its zero before it asks upstream", () =>
    assertAllClosed(async () => {
      const [source, sink] = sourceProbe<number>().via(sums()).toMat(sinkProbe<number>(), Keep.both).run();
      await sink.expectNext(0);
      expect(source.pulls).to.equal(0);
      sink.cancel();
    }));
});
