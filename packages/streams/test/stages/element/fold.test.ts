import { Flow, Keep } from "@millrace/streams";
import { assertAllClosed, sinkProbe, sourceProbe } from "@millrace/streams-testkit";
import { operatorSkeleton } from "../../support/operator-skeleton.js";

const sum = (check: (n: number) => void = () => undefined): Flow<number, number> =>
  Flow.of<number>().fold(0, (state, n) => {
    check(n);
    return state + n;
  });

describe("fold", () => {
  operatorSkeleton<number, number>({
    name: "fold",
    flow: () => sum(),
    input: [1, 2, 3],
    output: [6],
    outputOfEmpty: [0],
    outputOfOne: [1],
    upstreamFails: { delivered: [] },
    throwing: { flow: sum, at: 1, delivered: [], resumed: [4], restarted: [3] },
  });

  it("emits only once upstream has completed", () =>
    assertAllClosed(async () => {
      const [source, sink] = sourceProbe<number>().via(sum()).toMat(sinkProbe<number>(), Keep.both).run();
      source.send(1, 2);
      await sink.expectNothing();
      source.complete();
      await sink.expectNext(3);
      await sink.expectComplete();
    }));
});
