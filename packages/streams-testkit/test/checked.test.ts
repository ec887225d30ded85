import { Flow, InvariantViolation, Sink, Source } from "@millrace/streams";
import { type Chunk, DONE, NO_MORE_ELEMENTS, type Pull, WAIT, type Wake } from "@millrace/streams/stage";
import { assertAllClosed, checked } from "@millrace/streams-testkit";
import { expect } from "chai";

const nothing = (): void => undefined;

/** An outlet from answers given by hand. */
const scripted = <A>(answer: (wake: Wake, pull: number) => ReturnType<Pull<A>["pull"]>, cancel = nothing): Pull<A> => {
  let pulls = 0;
  return { pull: (wake) => answer(wake, ++pulls), cancel };
};

const check = <A>(outlet: Pull<A>): { outlet: Pull<A>; violations: readonly InvariantViolation[] } => {
  const checks = checked();
  return { outlet: checks.wrap(outlet, "broken"), violations: checks.violations };
};

const expectViolation = (violations: readonly InvariantViolation[], act: () => unknown, rule: string): void => {
  expect(act).to.throw(InvariantViolation, rule);
  expect(violations[0]?.message).to.include(rule);
};

describe("checked", () => {
  it("refuses a pull from inside a pull (P1)", () => {
    const recursive: ReturnType<typeof check<number>> = check<number>(
      scripted((wake): ReturnType<Pull<number>["pull"]> => recursive.outlet.pull(wake)),
    );
    expectViolation(
      recursive.violations,
      () => recursive.outlet.pull(nothing),
      "P1: was pulled from inside its own pull",
    );
  });

  it("refuses a second pull before the wake (P1)", () => {
    const { outlet, violations } = check(scripted(() => WAIT));
    outlet.pull(nothing);
    expectViolation(violations, () => outlet.pull(nothing), "P1: was pulled again before it woke");
  });

  it("refuses a wake from inside the pull (P1)", () => {
    const { outlet, violations } = check(
      scripted((wake) => {
        wake();
        return WAIT;
      }),
    );
    expectViolation(violations, () => outlet.pull(nothing), "P1: woke its consumer from inside the pull");
  });

  it("refuses a second wake for one pull (P1)", () => {
    let wake: Wake = nothing;
    const { outlet, violations } = check(
      scripted((given) => {
        wake = given;
        return WAIT;
      }),
    );
    outlet.pull(nothing);
    wake();
    expectViolation(violations, wake, "P1: woke its consumer twice");
  });

  it("refuses a wake after a chunk was answered (P1)", () => {
    let wake: Wake = nothing;
    const { outlet, violations } = check(
      scripted((given) => {
        wake = given;
        return [1];
      }),
    );
    outlet.pull(nothing);
    expectViolation(violations, wake, "P1: woke its consumer, which was not waiting");
  });

  it("refuses an empty chunk (P2)", () => {
    const { outlet, violations } = check(scripted(() => []));
    expectViolation(violations, () => outlet.pull(nothing), "P2: answered an empty chunk");
  });

  it("refuses a chunk that is changed after it was handed over (P2)", () => {
    const chunk = [1, 2];
    const { outlet, violations } = check(
      scripted((_wake, pull): Chunk<number> => {
        if (pull === 2) chunk[0] = 9;
        return chunk;
      }),
    );
    outlet.pull(nothing);
    chunk[1] = 3;
    expectViolation(violations, () => outlet.pull(nothing), "P2: a chunk was changed");
  });

  it("refuses elements after completion (P3)", () => {
    const { outlet, violations } = check<number>(scripted((_wake, pull) => (pull === 1 ? DONE : [1])));
    expectViolation(violations, () => outlet.pull(nothing), "P3: answered something after it had completed");
  });

  it("refuses a failure after completion (P3)", () => {
    const { outlet, violations } = check<number>(
      scripted((_wake, pull) => {
        if (pull === 1) return DONE;
        throw new Error("late");
      }),
    );
    expectViolation(violations, () => outlet.pull(nothing), "P3: failed after it had completed");
  });

  it("refuses an answer after a failure (P4)", () => {
    const { outlet, violations } = check<number>(
      scripted((_wake, pull) => {
        if (pull > 1) return [1];
        throw new Error("boom");
      }),
    );
    expectViolation(violations, () => outlet.pull(nothing), "P4: answered something after it had failed");
  });

  it("refuses another error after a failure (P4)", () => {
    const { outlet, violations } = check<number>(
      scripted((_wake, pull) => {
        throw new Error(`boom ${pull}`);
      }),
    );
    expectViolation(violations, () => outlet.pull(nothing), "P4: failed again with another error");
  });

  it("refuses a wake after cancellation (P6)", () => {
    let wake: Wake = nothing;
    const { outlet, violations } = check(
      scripted((given) => {
        wake = given;
        return WAIT;
      }),
    );
    outlet.pull(nothing);
    outlet.cancel(NO_MORE_ELEMENTS);
    expectViolation(violations, wake, "P6: woke its consumer after it had been cancelled");
  });

  it("refuses a pull after cancellation (P6)", () => {
    const { outlet, violations } = check(scripted(() => DONE));
    outlet.cancel(NO_MORE_ELEMENTS);
    expectViolation(violations, () => outlet.pull(nothing), "P6: was pulled after it had been cancelled");
  });

  it("refuses a second cancellation by the consumer (P6)", () => {
    const { outlet, violations } = check(scripted(() => DONE));
    outlet.cancel(NO_MORE_ELEMENTS);
    expectViolation(violations, () => outlet.cancel(NO_MORE_ELEMENTS), "P6: was cancelled twice");
  });

  it("finds a stage that passes every cancellation on, although its consumer cancels once (P6)", () => {
    const checks = checked();
    const upstream = checks.wrap(
      scripted(() => WAIT),
      "source",
    );
    const careless = checks.wrap(
      { pull: (wake) => upstream.pull(wake), cancel: (cause) => upstream.cancel(cause) },
      "careless",
    );
    expect(() => careless.cancel(NO_MORE_ELEMENTS)).to.throw(InvariantViolation, "source broke the pull protocol: P6");
  });

  it("remembers a violation that a stage has swallowed", async () => {
    const checks = checked();
    const broken = Flow.fromStage<number, number>({ name: "broken", create: () => scripted(() => []) });
    const swallowed = await assertAllClosed(() =>
      Source.single(1)
        .via(broken)
        .recover(() => 0)
        .runWith(Sink.toArray(), { wrap: checks.wrap }),
    );
    expect(swallowed).to.deep.equal([0]);
    expect(() => checks.verify()).to.throw(InvariantViolation, "the outlet of broken");
  });

  it("finds nothing in a correct stream", async () => {
    const checks = checked();
    const elements = await Source.from([1, 2, 3])
      .filter((n) => n > 1)
      .mapAsync(2, (n) => Promise.resolve(n))
      .runWith(Sink.toArray(), { wrap: checks.wrap });
    expect(elements).to.deep.equal([2, 3]);
    checks.verify();
  });
});
