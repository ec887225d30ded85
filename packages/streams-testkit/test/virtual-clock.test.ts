import { Sink, Source, StreamError } from "@millrace/streams";
import { virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";

describe("virtualClock", () => {
  it("refuses to advance while it advances", async () => {
    const clock = virtualClock();
    const first = clock.advance(1);
    const failure: unknown = await clock.advance(1).catch((error: unknown) => error);
    expect(failure).to.be.instanceOf(StreamError);
    await first;
    expect(clock.now()).to.equal(1);
  });

  it("does not run a cancelled timer", async () => {
    const clock = virtualClock();
    clock.schedule(5, () => expect.fail("ran")).cancel();
    expect(clock.pending).to.equal(0);
    await clock.advance(10);
  });

  it("runs timers in order of time, then in the order they were set, each at its time", async () => {
    const clock = virtualClock();
    const ran: string[] = [];
    for (const [name, delayMs] of [
      ["c", 20],
      ["a", 10],
      ["b", 10],
      ["never", 31],
    ] as const) {
      clock.schedule(delayMs, () => ran.push(`${name}@${clock.now()}`));
    }
    await clock.advance(30);
    expect(ran).to.deep.equal(["a@10", "b@10", "c@20"]);
    expect(clock.now()).to.equal(30);
    expect(clock.pending).to.equal(1);
  });

  it("runs timers that a timer sets, within the time passed", async () => {
    const clock = virtualClock();
    const at: number[] = [];
    const again = (): void => {
      at.push(clock.now());
      clock.schedule(10, again);
    };
    clock.schedule(10, again);
    await clock.advance(35);
    expect(at).to.deep.equal([10, 20, 30]);
  });

  it("lets promises settle between two timers", async () => {
    const clock = virtualClock();
    const seen: string[] = [];
    clock.schedule(1, () => {
      void Promise.resolve().then(() => Promise.resolve().then(() => seen.push(`settled@${clock.now()}`)));
    });
    clock.schedule(2, () => seen.push("second"));
    await clock.advance(5);
    expect(seen).to.deep.equal(["settled@1", "second"]);
  });

  it("drives the timers of a stream", async () => {
    const clock = virtualClock();
    const ticks = Source.tick({ initialDelayMs: 10, intervalMs: 10 }, "tick")
      .take(3)
      .runWith(Sink.toArray(), { clock });
    await clock.advance(30);
    expect(await ticks).to.deep.equal(["tick", "tick", "tick"]);
    expect(clock.pending).to.equal(0);
  });
});
