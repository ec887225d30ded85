import { Keep, Sink, Source } from "@millrace/streams";
import { liveRuns, type Run, WAIT } from "@millrace/streams/stage";
import { expect } from "chai";

describe("a run that is cut", () => {
  const late = new Error("the time is over");
  /** A source that never gives anything, and the run it is in. */
  const silent = () => {
    const seen: { run: Run | undefined; readonly causes: unknown[] } = { run: undefined, causes: [] };
    const source = Source.fromStage<number, void>({
      name: "silent",
      create: (run) => {
        seen.run = run;
        return { outlet: { pull: () => WAIT, cancel: (cause) => void seen.causes.push(cause) }, mat: undefined };
      },
    });
    return { source, seen };
  };

  it("fails every sink that has not ended, cancels what feeds it, and lets timers go", async () => {
    const before = liveRuns();
    const { source, seen } = silent();
    const [side, main] = source
      .groupedWithin(10, 3_600_000)
      .alsoToMat(Sink.ignore, Keep.right)
      .toMat(Sink.toArray(), Keep.both)
      .run();
    await new Promise((resolve) => setImmediate(resolve));
    seen.run?.cut(late);
    const settled = await Promise.allSettled([side, main]);
    expect(settled.map((each) => (each.status === "rejected" ? (each.reason as unknown) : each.status))).to.deep.equal([
      late,
      late,
    ]);
    expect(seen.causes).to.deep.equal([late]);
    expect(liveRuns()).to.equal(before);
  });

  it("is cut once, and after its end not at all", async () => {
    const { source, seen } = silent();
    const done = source.runWith(Sink.ignore).catch((error: unknown) => error);
    await new Promise((resolve) => setImmediate(resolve));
    seen.run?.cut(late);
    seen.run?.cut(new Error("again"));
    expect(await done).to.equal(late);
    expect(seen.causes).to.deep.equal([late]);
  });
});
