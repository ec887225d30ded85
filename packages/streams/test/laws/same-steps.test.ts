import { Flow, type RunOptions, Sink, Source } from "@millrace/streams";
import { nextTurn, type Pull } from "@millrace/streams/stage";
import { arbitraryChunking, assertAllClosed, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { withSpunTime } from "../../../../test/support/spun-time.js";

/** The lengths of all chunks, and at which of them the event loop had a turn, where an element takes `elementMs`. */
const stepsOf = (elementMs: number, options: RunOptions): Promise<readonly (number | "turn")[]> =>
  withSpunTime(async (time) => {
    const steps: (number | "turn")[] = [];
    let ended = false;
    const tick = (): void => {
      if (ended) return;
      steps.push("turn");
      nextTurn(tick);
    };
    const watched = Flow.fromStage<number, number>({
      name: "watched",
      create: (upstream: Pull<number>) => ({
        pull(wake) {
          const pulled = upstream.pull(wake);
          if (typeof pulled !== "symbol") steps.push(pulled.length);
          return pulled;
        },
        cancel: (cause) => upstream.cancel(cause),
      }),
    });
    const slow = (n: number): number => {
      time.spend(elementMs);
      return n;
    };
    const done = Source.from(Array.from({ length: 5000 }, (_, n) => n))
      .map(slow)
      .groupBy(3, (n) => n % 3)
      .mergeSubstreams()
      .via(watched)
      .mapConcat((n) => [n, n])
      .merge(Source.unfold(0, (n) => (n < 500 ? [n + 1, n] : undefined)))
      .runWith(Sink.ignore, options);
    nextTurn(tick);
    await done;
    ended = true;
    return steps;
  });

const runs: Readonly<Record<string, () => RunOptions>> = {
  "a clock of its own": () => ({ clock: virtualClock() }),
  "outlets that a test has wrapped": () => ({ wrap: arbitraryChunking(3) }),
};

describe("a run takes the same steps however slow the machine is", () => {
  for (const [name, options] of Object.entries(runs)) {
    it(`with ${name}`, () =>
      assertAllClosed(async () => {
        const fast = await stepsOf(0, options());
        expect(await stepsOf(0.3, options())).to.deep.equal(fast);
        expect(await stepsOf(7, options())).to.deep.equal(fast);
      }));
  }

  it("but not with the machine's clock, by which it shares the event loop", () =>
    assertAllClosed(async () => {
      expect(await stepsOf(7, {})).not.to.deep.equal(await stepsOf(0, {}));
    }));
});
