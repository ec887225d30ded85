import { expect } from "chai";
import fc from "fast-check";
import type { Outcome } from "../../src/ledger/partition-ledger.js";
import { RecordClaim } from "../../src/ledger/record-claim.js";

const outcomes = fc.constantFrom<Outcome>("processed", "discarded", "parked");
/** Of one share: it ends, or it is split into so many first. */
const step = fc.oneof(
  fc.record({ do: fc.constant("end" as const), outcome: outcomes }),
  fc.record({ do: fc.constant("share" as const), more: fc.integer({ min: 0, max: 4 }) }),
);

const joined = (all: readonly Outcome[]): Outcome => {
  if (all.includes("parked")) return "parked";
  return all.includes("processed") ? "processed" : "discarded";
};

describe("the claim of a record that is split into shares", () => {
  it("ends once, with the last of its shares, as parked where any of them was, else as done", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), outcomes, (steps, last) => {
        const told: Outcome[] = [];
        const claim = new RecordClaim(
          { ledger: { fenced: false }, end: (_sequence, _offset, outcome) => void told.push(outcome) },
          0,
          7,
          "k",
        );
        let shares = 1;
        const ended: Outcome[] = [];
        const end = (outcome: Outcome): void => {
          expect(told, "told before the last share").to.deep.equal([]);
          expect(claim.ended).to.equal(false);
          claim.end(outcome);
          ended.push(outcome);
          shares -= 1;
        };
        for (const each of steps) {
          if (each.do === "share") {
            claim.share(each.more);
            shares += each.more;
          } else if (shares > 1) end(each.outcome);
        }
        while (shares > 0) end(last);
        expect(told).to.deep.equal([joined(ended)]);
        expect(claim.ended).to.equal(true);
        expect(() => claim.end("processed")).to.throw(/ended twice/);
      }),
      { numRuns: 500 },
    );
  });
});
