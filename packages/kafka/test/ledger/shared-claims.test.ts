import { expect } from "chai";
import fc from "fast-check";
import { PartitionLedger } from "../../src/ledger/partition-ledger.js";
import { figuresOf, NaiveLedger } from "./support/naive-ledger.js";

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
      const bytes = offset % 7;
      const sequence = this.ledger.open(offset, 0, this.#bound, bytes);
      claims.push({ offset, openedAt: 0, bytes, outcome: undefined });
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
    // Of records that share a claim and end in part it is not known which have ended, so their bytes are shared out.
    expect(ledger.openBytes).to.be.within(0, 6 * ledger.delivered);
    if (ledger.inFlight === 0) expect(ledger.openBytes).to.equal(0);
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

describe("a ledger with a bound, for claims that end in order", () => {
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

  it("shares the bytes of records out that share a claim, when some of them end", () => {
    const ledger = new PartitionLedger();
    for (const offset of [1, 2, 3, 4, 5]) ledger.open(offset, 0, 2, 100);
    expect(ledger.openBytes).to.equal(500);
    ledger.endThrough(3, "processed");
    expect(ledger).to.include({ inFlight: 2, openBytes: 200 });
    ledger.endThrough(5, "processed");
    expect(ledger.openBytes).to.equal(0);
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
      { numRuns: 200 },
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
