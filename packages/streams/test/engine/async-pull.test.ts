import { Flow, Sink, Source } from "@millrace/streams";
import { AsyncPull, type Pull, type Run } from "@millrace/streams/stage";
import { assertAllClosed, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";

const bug = new Error("a bug in the stage");

/** Passes one element on, and then meets a bug: at once, or when its timer comes. */
class Faulty extends AsyncPull<number, number> {
  readonly #run: Run;
  readonly #later: boolean;
  #given = false;
  #isDue = false;

  constructor(upstream: Pull<number>, run: Run, later: boolean) {
    super(upstream, run);
    this.#run = run;
    this.#later = later;
  }

  protected advance(): void {
    if (this.#isDue) throw bug;
    if (!this.#given) {
      this.#given = true;
      this.ready.push(...(this.take() ?? []).slice(0, 1));
      return;
    }
    if (!this.#later) throw bug;
    this.#run.clock.schedule(10, () => {
      this.#isDue = true;
      this.poke();
    });
  }

  protected drained(): boolean {
    return false;
  }
}

describe("an asynchronous stage with a bug", () => {
  for (const later of [false, true]) {
    it(`fails the stream behind what it had given, and cancels upstream, where it meets it ${later ? "by itself" : "when it is asked"}`, () =>
      assertAllClosed(async () => {
        const clock = virtualClock();
        const seen: number[] = [];
        let closed = false;
        const numbers = function* () {
          try {
            for (let n = 0; ; n++) yield n;
          } finally {
            closed = true;
          }
        };
        const end = Source.from({ [Symbol.iterator]: numbers })
          .via(
            Flow.fromStage({
              name: "faulty",
              create: (upstream: Pull<number>, run) => new Faulty(upstream, run, later),
            }),
          )
          .runWith(
            Sink.forEach((n) => void seen.push(n)),
            { clock },
          )
          .then(
            () => undefined,
            (error: unknown) => error,
          );
        await clock.advance(100);
        expect(await end).to.equal(bug);
        expect(seen).to.deep.equal([0]);
        expect(closed).to.equal(true);
      }));
  }
});
