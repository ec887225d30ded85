import { Flow, Keep, Sink, Source, Supervision } from "@millrace/streams";
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
    throwing: { flow: sums, at: 1, delivered: [0, 1], resumed: [0, 1, 4], restarted: [0, 1, 0, 3] },
  });

  it("emits its zero at each restart, behind what preceded it and also where nothing follows", async () => {
    const restarted = (elements: readonly number[]): Promise<number[]> =>
      Source.from(elements)
        .via(
          sums((n) => {
            if (n < 0) throw new Error("negative");
          }),
        )
        .withAttributes({ supervision: Supervision.restartingDecider })
        .runWith(Sink.toArray());
    expect(await restarted([1, 3, -1, 5, 7])).to.deep.equal([0, 1, 4, 0, 5, 12]);
    expect(await restarted([1, -1, -1])).to.deep.equal([0, 1, 0, 0]);
    expect(await restarted([-1])).to.deep.equal([0, 0]);
  });

  it("begins each run without a zero owed by another", async () => {
    const graph = Source.from([-1, 2]).via(
      sums((n) => {
        if (n < 0) throw new Error("negative");
      }),
    );
    const run = (): Promise<number[]> =>
      graph.withAttributes({ supervision: Supervision.restartingDecider }).runWith(Sink.toArray());
    expect([await run(), await run()]).to.deep.equal([
      [0, 0, 2],
      [0, 0, 2],
    ]);
  });

  it("emits its zero before it asks upstream", () =>
    assertAllClosed(async () => {
      const [source, sink] = sourceProbe<number>().via(sums()).toMat(sinkProbe<number>(), Keep.both).run();
      await sink.expectNext(0);
      expect(source.pulls).to.equal(0);
      sink.cancel();
    }));
});
