import { InvariantViolation } from "@millrace/streams";
import { expect } from "chai";
import fc from "fast-check";
import { type Outcome, PartitionLedger } from "../../src/ledger/partition-ledger.js";
import { figuresOf, NaiveLedger } from "./support/naive-ledger.js";

/** Numbers from 0 (inclusive) to 1 (exclusive) say which of what is there then. */
type Step =
  | { readonly do: "open"; readonly gaps: readonly number[]; readonly laterMs: number }
  | { readonly do: "end"; readonly which: readonly number[]; readonly outcome: Outcome }
  | { readonly do: "endNeighbours"; readonly from: number; readonly to: number; readonly outcome: Outcome }
  | { readonly do: "endThrough"; readonly at: number; readonly beside: number; readonly outcome: Outcome }
  | { readonly do: "readWatermark" }
  | { readonly do: "acknowledge" }
  | { readonly do: "fence" };

const outcome = fc.constantFrom<Outcome>("processed", "discarded", "parked");
const part = fc.double({ min: 0, max: 0.999, noNaN: true });
/** Mostly neighbours; holes of any size, also beyond what 32 bits hold. */
const gap = fc.oneof(
  { weight: 20, arbitrary: fc.constant(1) },
  { weight: 5, arbitrary: fc.integer({ min: 2, max: 50 }) },
  { weight: 1, arbitrary: fc.constant(2 ** 33) },
);

const stepOf = (mayFence: boolean): fc.Arbitrary<Step> =>
  fc.oneof<fc.WeightedArbitrary<Step>[]>(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant("open"),
        gaps: fc.array(gap, { minLength: 1, maxLength: 90, size: "max" }),
        // All steps together stay below the 24 days within which the ledger tells times apart.
        laterMs: fc.double({ min: 0, max: 5e7, noNaN: true }),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({ do: fc.constant("end"), which: fc.array(part, { maxLength: 90, size: "max" }), outcome }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant("endNeighbours"),
        // Often all but the first, so that the watermark then leaps.
        from: fc.oneof(fc.constant(0), fc.constant(0.02), part),
        to: fc.oneof(fc.constant(1), part),
        outcome,
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant("endThrough"),
        at: part,
        beside: fc.integer({ min: -1, max: 1 }),
        outcome,
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("readWatermark") }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("acknowledge") }) },
    { weight: mayFence ? 1 : 0, arbitrary: fc.record({ do: fc.constant("fence") }) },
  );

/** The ledger and the model, step by step. */
class Pair {
  readonly ledger = new PartitionLedger();
  readonly model = new NaiveLedger();
  #now = 1.7e12;
  #read = 0;

  #openSequences(): number[] {
    return this.model.claims.flatMap(({ outcome }, sequence) => (outcome === undefined ? [sequence] : []));
  }

  #end(sequence: number, outcome: Outcome): void {
    expect(this.ledger.end(sequence, outcome)).to.equal(this.model.end(sequence, outcome));
  }

  #open(gaps: readonly number[], laterMs: number): void {
    this.#now += laterMs;
    for (const gap of gaps) {
      const offset = (this.model.claims.at(-1)?.offset ?? -1) + gap;
      // The first are of no known size, as are some of those that follow.
      const bytes = this.model.claims.length < 20 ? 0 : (offset % 7) * 2 ** 20;
      expect(this.ledger.open(offset, this.#now, undefined, bytes)).to.equal(this.model.claims.length);
      this.model.claims.push({ offset, openedAt: this.#now, bytes, outcome: undefined });
    }
  }

  #endThrough(step: Extract<Step, { readonly do: "endThrough" }>): void {
    const claim = this.model.claims[Math.floor(step.at * this.model.claims.length)];
    const offset = (claim?.offset ?? 0) + step.beside;
    this.ledger.endThrough(offset, step.outcome);
    this.model.endThrough(offset, step.outcome);
  }

  take(step: Step): void {
    const open = this.#openSequences();
    if (step.do === "open") this.#open(step.gaps, step.laterMs);
    else if (step.do === "end") {
      for (const which of step.which) {
        const [sequence] = open.splice(Math.floor(which * open.length), 1);
        if (sequence !== undefined) this.#end(sequence, step.outcome);
      }
    } else if (step.do === "endNeighbours") {
      const [from, to] = [Math.ceil(step.from * open.length), Math.ceil(step.to * open.length)];
      for (const sequence of open.slice(from, to)) this.#end(sequence, step.outcome);
    } else if (step.do === "endThrough") this.#endThrough(step);
    else if (step.do === "readWatermark") this.#read = this.ledger.belowWatermark;
    else if (step.do === "acknowledge") {
      this.ledger.commitAcknowledged(this.#read);
      this.model.committed = Math.max(this.model.committed, this.#read);
    } else {
      this.ledger.fence();
      this.model.fenced = true;
    }
  }
}

describe("PartitionLedger", () => {
  const opened = (...offsets: readonly number[]): PartitionLedger => {
    const ledger = new PartitionLedger();
    for (const offset of offsets) ledger.open(offset, 0);
    return ledger;
  };

  it("refuses a claim that ends twice, below the watermark and above it", () => {
    const ledger = opened(5, 6, 7);
    ledger.end(2, "processed");
    expect(() => ledger.end(2, "processed")).to.throw(InvariantViolation, "claim 2 was ended twice");
    ledger.end(0, "processed");
    expect(() => ledger.end(0, "parked")).to.throw(InvariantViolation, "claim 0 was ended twice");
    expect(ledger.outcomes).to.deep.equal({ processed: 2, discarded: 0, parked: 0 });
  });

  it("refuses the end of a claim that was never opened, also where an older one has the same slot", () => {
    const ledger = opened(...Array.from({ length: 64 }, (_, offset) => offset));
    expect(() => ledger.end(64, "processed")).to.throw(InvariantViolation);
    expect(() => ledger.end(-1, "processed")).to.throw(InvariantViolation);
    expect(ledger.inFlight).to.equal(64);
  });

  it("refuses an offset that does not ascend", () => {
    const ledger = opened(5);
    expect(() => ledger.open(5, 0)).to.throw(InvariantViolation, "offset 5 was delivered after 5");
    expect(() => ledger.open(4, 0)).to.throw(InvariantViolation, "offset 4 was delivered after 5");
    expect(ledger.delivered).to.equal(1);
  });

  it("refuses the acknowledgement of claims that have not ended", () => {
    const ledger = opened(5, 6);
    ledger.end(0, "processed");
    expect(() => ledger.commitAcknowledged(2)).to.throw(InvariantViolation);
    expect(ledger.uncommitted).to.equal(1);
  });

  it("changes nothing when a claim ends after the fence (I6)", () => {
    const ledger = opened(5, 6);
    ledger.fence();
    expect(ledger.end(0, "processed")).to.equal(false);
    ledger.endThrough(6, "processed");
    expect(ledger.watermark).to.equal(5);
    expect(ledger.inFlight).to.equal(2);
  });

  it("holds the watermark at the first unfinished claim, over holes, and then after the last delivered (I1)", () => {
    const ledger = opened(10, 20, 30);
    expect(ledger.watermark).to.equal(10);
    ledger.end(1, "processed");
    expect(ledger.watermark).to.equal(10);
    ledger.end(0, "processed");
    expect(ledger.watermark).to.equal(30);
    ledger.end(2, "processed");
    expect(ledger.watermark).to.equal(31);
  });

  it("has no watermark before anything is delivered", () => {
    const ledger = opened();
    ledger.endThrough(100, "processed");
    expect(ledger.watermark).to.equal(undefined);
    expect(ledger.oldest).to.equal(undefined);
  });

  it("knows when the oldest was opened, on a clock that has long left 32 bits behind or steps back", () => {
    const ledger = new PartitionLedger();
    const days = 24 * 3600 * 1000;
    ledger.open(1, 1.7e12 + 0.7);
    expect(ledger.oldest?.openedAt).to.equal(1.7e12);
    ledger.open(2, 1.7e12 + 20 * days);
    expect(ledger.oldest?.openedAt).to.equal(1.7e12);
    ledger.open(3, 1.7e12 - 500);
    ledger.end(0, "processed");
    expect(ledger.oldest?.openedAt).to.equal(1.7e12 + 20 * days);
  });

  for (const mayFence of [false, true]) {
    it(`equals a list of all claims, whatever opens and ends${mayFence ? ", also when fenced on the way" : ""}`, () => {
      let most = 0;
      fc.assert(
        fc.property(fc.array(stepOf(mayFence), { minLength: 1, maxLength: 25, size: "max" }), (steps) => {
          const pair = new Pair();
          for (const step of steps) {
            pair.take(step);
            expect(figuresOf(pair.ledger)).to.deep.equal(pair.model.view());
          }
          most = Math.max(most, pair.ledger.delivered);
        }),
        { numRuns: 400 },
      );
      // Proof that the ring wrapped and grew: the first one has 64 slots.
      expect(most).to.be.above(256);
    }).timeout(20_000);
  }
});
