import { InvariantViolation } from "@millrace/streams";
import { expect } from "chai";
import fc from "fast-check";
import { type OpenClaim, type Outcome, PartitionLedger } from "../../src/ledger/partition-ledger.js";

interface Claim {
  readonly offset: number;
  readonly openedAt: number;
  outcome: Outcome | undefined;
}

/** What the ledger promises, in the plainest way: every claim there ever was, in a list. */
class NaiveLedger {
  readonly claims: Claim[] = [];
  committed = 0;
  fenced = false;

  get head(): number {
    const first = this.claims.findIndex(({ outcome }) => outcome === undefined);
    return first < 0 ? this.claims.length : first;
  }

  end(sequence: number, outcome: Outcome): boolean {
    if (this.fenced) return false;
    this.claims[sequence]!.outcome = outcome;
    return true;
  }

  endThrough(offset: number, outcome: Outcome): void {
    if (this.fenced) return;
    for (const claim of this.claims) if (claim.offset <= offset) claim.outcome ??= outcome;
  }

  get #open(): readonly Claim[] {
    return this.claims.filter(({ outcome }) => outcome === undefined);
  }

  #ended(outcome: Outcome): number {
    return this.claims.filter((claim) => claim.outcome === outcome).length;
  }

  get oldest(): OpenClaim | undefined {
    const claim = this.claims[this.head];
    return claim && { sequence: this.head, offset: claim.offset, openedAt: Math.floor(claim.openedAt) };
  }

  view(): Figures {
    const last = this.claims.at(-1)?.offset;
    const ahead = this.claims.slice(this.head).filter(({ outcome }) => outcome !== undefined);
    return {
      watermark: this.#open[0]?.offset ?? (last === undefined ? undefined : last + 1),
      belowWatermark: this.head,
      inFlight: this.#open.length,
      behindWatermark: ahead.length,
      uncommitted: this.head - this.committed,
      replays: this.claims.length - this.committed,
      delivered: this.claims.length,
      lastOffset: last,
      outcomes: {
        processed: this.#ended("processed"),
        discarded: this.#ended("discarded"),
        parked: this.#ended("parked"),
      },
      oldest: this.oldest,
      endedAbove: ahead.map(({ offset }) => offset),
      fenced: this.fenced,
    };
  }
}

type Figures = Readonly<
  Pick<
    PartitionLedger,
    | "watermark"
    | "belowWatermark"
    | "inFlight"
    | "behindWatermark"
    | "uncommitted"
    | "replays"
    | "delivered"
    | "lastOffset"
    | "outcomes"
    | "oldest"
    | "fenced"
  > & { endedAbove: number[] }
>;

const figuresOf = (ledger: PartitionLedger): Figures => ({
  watermark: ledger.watermark,
  belowWatermark: ledger.belowWatermark,
  inFlight: ledger.inFlight,
  behindWatermark: ledger.behindWatermark,
  uncommitted: ledger.uncommitted,
  replays: ledger.replays,
  delivered: ledger.delivered,
  lastOffset: ledger.lastOffset,
  outcomes: { ...ledger.outcomes },
  oldest: ledger.oldest,
  endedAbove: ledger.endedAbove(),
  fenced: ledger.fenced,
});

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
      expect(this.ledger.open(offset, this.#now)).to.equal(this.model.claims.length);
      this.model.claims.push({ offset, openedAt: this.#now, outcome: undefined });
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

type Shared = "open" | "pass" | "end" | "acknowledge";

/** The same for claims that end in order, of which some are shared. */
class BoundedPair {
  readonly ledger = new PartitionLedger();
  readonly model = new NaiveLedger();
  readonly #bound: number;
  #exact = true;

  constructor(bound: number) {
    this.#bound = bound;
  }

  take({ what, gap, back }: { readonly what: Shared; readonly gap: number; readonly back: number }): void {
    const { claims } = this.model;
    const offset = (claims.at(-1)?.offset ?? -1) + gap;
    if (what === "open") {
      const sequence = this.ledger.open(offset, 0, this.#bound);
      claims.push({ offset, openedAt: 0, outcome: undefined });
      expect(sequence - (this.ledger.oldest?.sequence ?? 0)).to.be.at.most(this.#bound);
    } else if (what === "pass") {
      expect(this.ledger.pass(offset, 0, "discarded", this.#bound)).to.equal(true);
      claims.push({ offset, openedAt: 0, outcome: "discarded" });
    } else if (what === "acknowledge") {
      this.model.committed = this.ledger.belowWatermark;
      this.ledger.commitAcknowledged(this.ledger.belowWatermark);
    } else this.#endThrough(offset - back);
    // How many records lie before the position is known as long as there are neither holes nor some that ended by themselves.
    if (what === "pass" || (what === "open" && gap > 1)) this.#exact = false;
  }

  #endThrough(offset: number): void {
    this.ledger.endThrough(offset, "processed");
    this.model.endThrough(offset, "processed");
  }

  endAll(): void {
    this.#endThrough(this.model.claims.at(-1)?.offset ?? 0);
    this.model.committed = this.ledger.belowWatermark;
    this.ledger.commitAcknowledged(this.ledger.belowWatermark);
  }

  compare(): void {
    const { ledger } = this;
    const { sequence: _, ...oldest } = ledger.oldest ?? { sequence: 0 };
    const view = this.model.view();
    expect(ledger).to.include({ delivered: view.delivered, lastOffset: view.lastOffset });
    expect(ledger.outcomes.discarded).to.equal(view.outcomes.discarded);
    if (this.#exact) {
      const { inFlight, behindWatermark, uncommitted, replays } = view;
      expect(ledger).to.include({ inFlight, behindWatermark, uncommitted, replays, watermark: view.watermark });
    } else {
      expect(ledger.inFlight).to.be.at.least(view.inFlight);
      expect(ledger.behindWatermark).to.be.at.least(0);
      expect(ledger.uncommitted).to.be.at.least(0);
    }
    if (ledger.endedInPart === undefined) {
      expect(ledger).to.include({ watermark: view.watermark });
      expect(oldest).to.deep.equal(view.oldest ? { offset: view.oldest.offset, openedAt: 0 } : {});
    } else expect(ledger.watermark).to.be.at.most(view.watermark as number);
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

  it("tells when the oldest was opened, on a clock that has long left 32 bits behind or steps back", () => {
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

  describe("with a bound, for claims that end in order", () => {
    const bounded = (offsets: readonly number[], bound: number): PartitionLedger => {
      const ledger = new PartitionLedger();
      for (const offset of offsets) ledger.open(offset, 0, bound);
      return ledger;
    };

    it("moves the position among records that share a claim, and counts those that surely ended", () => {
      const ledger = bounded([1, 2, 5, 6, 9, 12], 2);
      ledger.endThrough(2, "processed");
      expect(ledger).to.include({ watermark: 5, endedInPart: undefined });
      ledger.endThrough(9, "processed");
      // Of offsets 10 to 12 there may be three records.
      expect(ledger).to.include({ watermark: 10, endedInPart: 10, inFlight: 3, replays: 6, uncommitted: 3 });
      ledger.endThrough(6, "processed");
      expect(ledger.watermark).to.equal(10);
      ledger.endThrough(12, "processed");
      expect(ledger.watermark).to.equal(13);
      expect(ledger).to.include({ inFlight: 0, delivered: 6, behindWatermark: 0, uncommitted: 6 });
      expect(ledger.outcomes).to.include({ processed: 6 });
    });

    it("opens claims of their own again once some have ended", () => {
      const ledger = bounded([1, 2, 3, 4], 2);
      ledger.endThrough(2, "processed");
      ledger.open(5, 0, 2);
      ledger.endThrough(4, "processed");
      expect(ledger.watermark).to.equal(5);
      expect(ledger).to.include({ inFlight: 1, delivered: 5 });
    });

    it("counts what is committed by the record, also where records shared a claim", () => {
      const ledger = bounded([0, 1, 2, 3, 4, 5], 1);
      ledger.endThrough(5, "processed");
      expect(ledger).to.include({ uncommitted: 6, replays: 6 });
      ledger.commitAcknowledged(ledger.belowWatermark);
      expect(ledger).to.include({ uncommitted: 0, replays: 0 });
    });

    it("ends no shared claim with a record that ends at once, in any order of records, and is right in the end", () => {
      let parts = 0;
      fc.assert(
        fc.property(
          fc.array(
            fc.record({
              what: fc.constantFrom<Shared>("open", "open", "open", "pass", "pass", "end", "acknowledge"),
              gap: fc.oneof({ weight: 3, arbitrary: fc.constant(1) }, fc.integer({ min: 1, max: 3 })),
              times: fc.integer({ min: 1, max: 9 }),
              back: fc.nat(12),
            }),
            { minLength: 1, maxLength: 40, size: "max" },
          ),
          fc.integer({ min: 1, max: 12 }),
          (steps, bound) => {
            const pair = new BoundedPair(bound);
            for (const step of steps) {
              for (let time = 0; time < (step.what === "end" ? 1 : step.times); time++) pair.take(step);
              pair.compare();
              if (pair.ledger.endedInPart !== undefined) parts += 1;
            }
            pair.endAll();
            expect(figuresOf(pair.ledger)).to.deep.equal(pair.model.view());
          },
        ),
        { numRuns: 300 },
      );
      expect(parts).to.be.above(50);
    });

    it("never commits above an unfinished record, ends at the last, and keeps count", () => {
      fc.assert(
        fc.property(
          fc.array(fc.record({ gap: fc.integer({ min: 1, max: 3 }), ends: fc.nat(5) }), {
            minLength: 1,
            maxLength: 60,
          }),
          fc.integer({ min: 1, max: 6 }),
          (steps, bound) => {
            const ledger = new PartitionLedger();
            const delivered: number[] = [];
            let ended = -1;
            let offset = 0;
            for (const { gap, ends } of steps) {
              offset += gap;
              ledger.open(offset, 0, bound);
              delivered.push(offset);
              const through = ends === 0 ? delivered[Math.floor(delivered.length / 2)]! : -1;
              if (through > ended) ledger.endThrough((ended = through), "processed");
              const lowest = delivered.find((each) => each > ended);
              expect(ledger.watermark ?? 0).to.be.at.most(lowest ?? offset + 1);
              expect(ledger.delivered).to.equal(delivered.length);
              expect(ledger.inFlight).to.be.at.least(delivered.filter((each) => each > ended).length);
            }
            ledger.endThrough(offset, "processed");
            expect(ledger.watermark).to.equal(offset + 1);
            expect(ledger).to.include({ inFlight: 0, behindWatermark: 0 });
            expect(ledger.outcomes.processed).to.equal(delivered.length);
          },
        ),
      );
    });
  });
});
