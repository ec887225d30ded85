import {
  FlowWithContext,
  Join,
  Keep,
  OperatorsWithContext,
  Source,
  SourceWithContext,
  type WithClaim,
} from "@millrace/streams";
import { assertAllClosed, forSeeds, type Instrumented, instrumented } from "@millrace/streams-testkit";
import { expect } from "chai";
import fc from "fast-check";
import { unhandledRejections } from "../../../../test/support/unhandled.js";
import { type ContextStep, operatorsOf, STEPS } from "./context-steps.js";
import { type Element, recordingClaims, type RecordingClaims, recordsOf } from "./recording-claims.js";

const nothing = (): void => undefined;
const numbers = fc.array(fc.nat(100), { maxLength: 60 });
const chunkElements = fc.integer({ min: 1, max: 20 });
const seed = fc.nat(1_000_000);

const pipeline = (steps: readonly ContextStep[]): FlowWithContext<Element, Element, unknown> =>
  steps.reduce<FlowWithContext<Element, Element, unknown>>(
    (whole, step) => whole.via(step.flow()),
    FlowWithContext.of<Element>(),
  );

/** The elements before `at`, then a failure. */
const failingAt = (
  input: readonly number[],
  at: number,
  chunk: number,
  claims: RecordingClaims,
): SourceWithContext<Element> => {
  const failed = SourceWithContext.fromSource(Source.failed<WithClaim<Element>>(new Error("upstream")));
  return claims.elements(input.slice(0, at), chunk).concat(failed);
};

/** Runs the elements through `steps` and answers what has arrived; nothing of it has ended. */
const runThrough = async (
  claims: RecordingClaims,
  steps: readonly ContextStep[],
  input: readonly number[],
  chunk: number,
  options: Instrumented,
): Promise<readonly Element[]> => {
  const graph = claims.elements(input, chunk).via(pipeline(steps)).toMat(claims.sink<Element>(), Keep.right);
  const output = await assertAllClosed(() => graph.run(options));
  options.verify();
  return output;
};

/**
 * The law: with all outputs open, exactly their records are open; a record ends with the last of its outputs, and no share
 * ends twice. An operator that completes early leaves more open: what it has not taken.
 */
const holdsFor = (steps: readonly ContextStep[], input: readonly number[], chunk: number, s: number): Promise<void> =>
  forSeeds((options) => holdsIn(options, steps, input, chunk, s), [s]);

const holdsIn = async (
  options: Instrumented,
  steps: readonly ContextStep[],
  input: readonly number[],
  chunk: number,
  s: number,
): Promise<void> => {
  const claims = recordingClaims();
  const output = await runThrough(claims, steps, input, chunk, options);
  const whole = !steps.some((step) => step.leavesOpen);
  const held = recordsOf(output);
  expect(held.filter((id) => claims.get(id).ended)).to.deep.equal([]);
  if (whole) expect(claims.size).to.equal(input.length);
  if (whole) expect(claims.openIds()).to.deep.equal(held);
  const order = output.map((_, index) => index).sort((a, b) => ((a * 7919 + s) % 101) - ((b * 7919 + s) % 101));
  const pending = new Map<number, number>();
  for (const { from } of output) for (const id of new Set(from)) pending.set(id, (pending.get(id) ?? 0) + 1);
  for (const index of order) {
    claims.end(index);
    for (const id of new Set((output[index] as Element).from)) {
      const left = (pending.get(id) as number) - 1;
      pending.set(id, left);
      if (left > 0 || whole) expect(claims.get(id).ended, `claim ${id}, ${left} outputs open`).to.equal(left === 0);
    }
  }
  expect(claims.violations).to.deep.equal([]);
};

const titled = (chosen: Readonly<Record<string, readonly ContextStep[]>>): fc.Arbitrary<ContextStep> =>
  fc.constantFrom(
    ...Object.entries(chosen).flatMap(([operator, steps]) =>
      steps.map((step, index): ContextStep & { readonly [fc.toStringMethod]: () => string } => ({
        ...step,
        [fc.toStringMethod]: () => `${operator}[${index}]`,
      })),
    ),
  );

const anyStep = titled(STEPS);

/** Nothing completes a part of a stream before its elements do, `zip` and its kin excepted. */
const { zip: _zip, zipMat: _zipMat, ...ofParts } = STEPS;
const anyStepOfParts = titled(ofParts);

type Flows = () => FlowWithContext<Element, Element, unknown>;
const elements = (): FlowWithContext<Element, Element> => FlowWithContext.of<Element>();

const inGroups = (flow: Flows): FlowWithContext<Element, Element, unknown> =>
  elements()
    .groupBy(3, ({ n }) => n % 3)
    .via(flow())
    .mergeSubstreams();
const inBranch = (flow: Flows): FlowWithContext<Element, Element, unknown> =>
  elements().broadcast([flow(), elements()], Join.merge());
const inPart = (flow: Flows): FlowWithContext<Element, Element, unknown> =>
  elements().partition([flow(), elements()], ({ n }) => n % 2, Join.merge());

describe("a record ends once, with the last of its outputs", () => {
  it("is tried on every operator with context", () => {
    expect(Object.keys(STEPS).sort()).to.deep.equal([...operatorsOf(OperatorsWithContext)].sort());
  });

  for (const [operator, steps] of Object.entries(STEPS)) {
    steps.forEach((step, index) => {
      it(`${operator}, use ${index + 1}`, () =>
        fc.assert(
          fc.asyncProperty(numbers, chunkElements, seed, (input, chunk, s) => holdsFor([step], input, chunk, s)),
          { numRuns: 25 },
        ));
    });
  }

  it("also through any composition of them", function () {
    this.timeout(60_000);
    return fc.assert(
      fc.asyncProperty(
        fc.array(anyStep, { minLength: 2, maxLength: 6 }),
        fc.array(fc.nat(100), { maxLength: 30 }),
        chunkElements,
        seed,
        (steps, input, chunk, s) => holdsFor(steps, input, chunk, s),
      ),
      { numRuns: 400 },
    );
  });

  it("also in groups and branches, where what is not taken is discarded", function () {
    this.timeout(60_000);
    return fc.assert(
      fc.asyncProperty(
        fc.array(anyStepOfParts, { minLength: 1, maxLength: 4 }),
        fc.array(fc.nat(100), { maxLength: 30 }),
        chunkElements,
        seed,
        fc.constantFrom(inGroups, inBranch, inPart),
        (steps, input, chunk, s, within) => holdsFor([{ flow: () => within(() => pipeline(steps)) }], input, chunk, s),
      ),
      { numRuns: 300 },
    );
  });

  it("and stays open when upstream fails, unless it was discarded or dealt with on purpose", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(anyStep, { minLength: 1, maxLength: 4 }),
        numbers,
        fc.nat(60),
        chunkElements,
        seed,
        async (steps, input, at, chunk, s) => {
          const claims = recordingClaims();
          const failing = failingAt(input, at, chunk, claims);
          const graph = failing.via(pipeline(steps)).toMat(claims.sink<Element>(), Keep.right);
          const options = instrumented({ seed: s });
          const unheard = await unhandledRejections(() =>
            assertAllClosed(() => graph.run(options).then(nothing, nothing)),
          );
          // A side branch goes on where the stream has had enough, and meets the failure alone.
          expect(unheard.map(String).filter((text) => text !== "Error: upstream")).to.deep.equal([]);
          options.verify();
          const held = recordsOf(claims.arrived.map(({ value }) => value as Element));
          expect(held.filter((id) => claims.get(id).ended)).to.deep.equal([]);
          expect(claims.violations).to.deep.equal([]);
          if (steps.some((step) => step.mayFinish)) return;
          for (const claim of claims.ended()) {
            expect(claim.ends.map(({ outcome }) => outcome)).to.deep.equal(claim.ends.map(() => "discarded"));
          }
        },
      ),
      { numRuns: 200 },
    ));
});
