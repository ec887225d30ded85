import { Flow, Source } from "@millrace/streams";
import type { Pull } from "@millrace/streams/stage";
import { assertAllClosed, instrumented } from "@millrace/streams-testkit";
import { expect } from "chai";
import fc from "fast-check";
import { asynchronousStep, meaning, pipeline, type Step, synchronousStep } from "../support/deterministic-operators.js";
import { type SpunTime, withSpunTime } from "../../../../test/support/spun-time.js";
import { unhandledRejections } from "../../../../test/support/unhandled.js";
import { type Outcome, outcomeOf } from "../support/operator-skeleton.js";

const steps = (step: fc.Arbitrary<Step>): fc.Arbitrary<readonly Step[]> => {
  const list = fc.array(step, { minLength: 1, maxLength: 6 });
  // Shown as names in a counterexample.
  return list.map((chosen) =>
    Object.assign(chosen, { [fc.toStringMethod]: () => chosen.map((each) => each.name).join(" | ") }),
  );
};

const elements = fc.array(fc.nat(100), { maxLength: 60 });
const seed = fc.nat(1_000_000);
const chunkElements = fc.integer({ min: 1, max: 20 });

const modelOf = (chosen: readonly Step[], input: Iterable<number>): Outcome<number> => {
  const delivered: number[] = [];
  try {
    for (const n of meaning(chosen, input)) delivered.push(n);
    return { delivered };
  } catch (failure) {
    return { delivered, failure };
  }
};

function* failingAt(input: readonly number[], index: number, error: Error): Iterable<number> {
  yield* input.slice(0, index);
  if (index <= input.length) throw error;
}

/** Every pull takes a while, so that whoever counts its time yields. */
const slow = (time: SpunTime): Flow<number, number> =>
  Flow.fromStage({
    name: "slow",
    create: (upstream: Pull<number>) => ({
      pull(wake) {
        time.spend(0.7);
        return upstream.pull(wake);
      },
      cancel: (cause) => upstream.cancel(cause),
    }),
  });

describe("re-chunking never changes a result", () => {
  it("of synchronous pipelines, also when their input fails", () =>
    fc.assert(
      fc.asyncProperty(
        steps(synchronousStep),
        elements,
        fc.nat(80),
        chunkElements,
        seed,
        async (chosen, input, at, size, s) => {
          const error = new Error("boom");
          const expected = modelOf(chosen, failingAt(input, at, error));
          const source = Source.from({ [Symbol.iterator]: () => failingAt(input, at, error)[Symbol.iterator]() })
            .withAttributes({ chunkElements: size })
            .via(pipeline(chosen));
          const checks = instrumented({ seed: s });
          const unheard = await unhandledRejections(async () => {
            for (const options of [{}, instrumented(), checks]) {
              expect(await assertAllClosed(() => outcomeOf(source, options))).to.deep.equal(expected);
            }
          });
          // A side branch goes on where the stream has had enough, and meets the failure alone.
          expect(unheard.filter((each) => each !== error)).to.deep.equal([]);
          checks.verify();
        },
      ),
      { numRuns: 300 },
    ));

  it("of pipelines every pull of which spends the time budget", () =>
    fc.assert(
      fc.asyncProperty(
        steps(asynchronousStep),
        elements,
        fc.nat(80),
        chunkElements,
        async (chosen, input, at, size) => {
          const synchronous = chosen.every((step) => !/async|buffer|batch|zip|partition/i.test(step.name));
          const error = new Error("boom");
          const failing = failingAt(input, synchronous ? at : Infinity, error);
          const expected = modelOf(chosen, failingAt(input, synchronous ? at : Infinity, error));
          const outcome = await assertAllClosed(() =>
            withSpunTime((time) => {
              const source = Source.from(failing).withAttributes({ chunkElements: size });
              const slowed = chosen.reduce((flow, step) => flow.via(step.flow()).via(slow(time)), slow(time));
              return outcomeOf(source.via(slowed), {});
            }),
          );
          expect(outcome).to.deep.equal(expected);
        },
      ),
      { numRuns: 300 },
    ));

  it("of pipelines with asynchronous operators", () =>
    fc.assert(
      fc.asyncProperty(steps(asynchronousStep), elements, chunkElements, seed, async (chosen, input, size, s) => {
        const expected = modelOf(chosen, input);
        const source = Source.from(input).withAttributes({ chunkElements: size }).via(pipeline(chosen));
        const checks = instrumented({ seed: s });
        for (const options of [{}, instrumented(), checks]) {
          expect(await assertAllClosed(() => outcomeOf(source, options))).to.deep.equal(expected);
        }
        checks.verify();
      }),
      { numRuns: 300 },
    ));
});
