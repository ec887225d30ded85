import { Sink, Source } from "@millrace/streams";
import { nextTurn } from "@millrace/streams/stage";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { TimeShare } from "../../src/engine/budget.js";
import { type SpunTime, turnsOf, withSpunTime } from "../../../../test/support/spun-time.js";

const turn = (): Promise<void> => new Promise((resolve) => nextTurn(resolve));

/** Elements that take so long each, until `totalMs` are over. */
const busy = (time: SpunTime, totalMs: number, elementMs: (n: number) => number): Source<number> => {
  const end = time.now() + totalMs;
  return Source.unfold(0, (n) => {
    time.spend(elementMs(n));
    return time.now() < end ? [n + 1, n] : undefined;
  });
};

/** Is woken by turn after turn of the event loop, for an element each. */
const woken = (time: SpunTime, totalMs: number, elementMs: number): Source<void> => {
  const end = time.now() + totalMs;
  return Source.unfold(0, (n) => (time.now() < end ? [n + 1, n] : undefined)).mapAsync(1, async () => {
    await turn();
    time.spend(elementMs);
  });
};

/** The turns after the first `ms`. */
const after = (ms: number, turns: readonly number[]): readonly number[] => {
  let at = 0;
  return turns.filter((length) => (at += length) - length > ms);
};

describe("the slices of the event loop", () => {
  it("are hardly longer when elements get slower within one", () =>
    withSpunTime(async (time) => {
      const share = new TimeShare();
      const start = time.now();
      // The slow ones begin where many pass between two looks at the clock, and so few that the slice is not over.
      let n = 0;
      do time.spend(n++ < 255 ? 0.001 : 0.011);
      while (!share.spent(1));
      expect(time.now() - start).to.be.within(2, 2.5);
    }));

  it("leave room for those who are woken in the same turn", () =>
    assertAllClosed(async () => {
      const { each } = await turnsOf((time) =>
        Promise.all([
          busy(time, 100, () => 0.002).runWith(Sink.ignore),
          ...Array.from({ length: 20 }, () => woken(time, 100, 0.2).runWith(Sink.ignore)),
        ]),
      );
      // Together as long as one may alone, and the element that one of them is at.
      expect(Math.max(...after(20, each))).to.be.within(1, 2.5);
    }));

  it("are as long as what is used by those who are woken in between", () =>
    assertAllClosed(async () => {
      let elements = 0;
      await turnsOf((time) =>
        Promise.all([
          busy(time, 100, () => 0.002).runWith(
            Sink.forEach(() => {
              elements += 1;
            }),
          ),
          woken(time, 100, 0.5).runWith(Sink.ignore),
        ]),
      );
      expect(elements * 0.002, "ms of the busy one").to.be.within(35, 65);
    }));

  it("come round to each of fifty within 20 ms or so", () =>
    assertAllClosed(async () => {
      const gaps: number[] = [];
      await turnsOf((time) => {
        const start = time.now();
        const streams = Array.from({ length: 50 }, () => {
          let last = start;
          return busy(time, 400, () => 0.01).runWith(
            Sink.forEach(() => {
              if (last > start + 50) gaps.push(time.now() - last);
              last = time.now();
            }),
          );
        });
        return Promise.all(streams);
      });
      expect(Math.max(...gaps)).to.be.within(10, 40);
    }));

  it("do what was put off in its order, whatever is put off meanwhile", () =>
    withSpunTime(async (time) => {
      const share = new TimeShare();
      const done: string[] = [];
      const slow = (name: string): void => {
        done.push(name);
        time.spend(3);
        share.spent(1);
      };
      share.later(() => {
        share.later(() => slow("third"));
        slow("first");
      });
      share.later(() => slow("second"));
      while (done.length < 3) await turn();
      expect(done).to.deep.equal(["first", "second", "third"]);
    }));

  it("grow again once nobody is woken any more", () =>
    assertAllClosed(async () => {
      const { each } = await turnsOf((time) =>
        Promise.all([busy(time, 200, () => 0.002).runWith(Sink.ignore), woken(time, 20, 0.01).runWith(Sink.ignore)]),
      );
      const later = after(150, each);
      expect(Math.min(...later.slice(0, -1))).to.be.above(1.5);
    }));
});
