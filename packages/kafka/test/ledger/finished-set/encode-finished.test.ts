import { expect } from "chai";
import fc from "fast-check";
import { decodeFinished } from "../../../src/ledger/finished-set/decode-finished.js";
import { encodeFinished } from "../../../src/ledger/finished-set/encode-finished.js";
import { cases, finishedAtRandom, probes } from "./support.js";

/** The offsets that a text keeps of those it was made from. */
function keptOf(position: number, text: string | undefined, offsets: readonly number[]): number[] {
  const finished = decodeFinished(position, text);
  return offsets.filter((offset) => finished.has(offset));
}

describe("encodeFinished", () => {
  it("says nothing when nothing above the position is finished", () => {
    expect(encodeFinished(10, [], 4096)).to.equal(undefined);
    expect(encodeFinished(10, [3, 9], 4096)).to.equal(undefined);
  });

  it("says nothing when there is no room to say anything", () => {
    for (const maxBytes of [-1, 0, 1, 4, 12, 14]) expect(encodeFinished(10, [12], maxBytes)).to.equal(undefined);
    expect(encodeFinished(10, [12], 16)).to.be.a("string");
  });

  it("keeps those nearest the position when not all fit", () => {
    fc.assert(
      fc.property(cases, fc.integer({ min: 16, max: 200 }), ({ position, offsets }, maxBytes) => {
        const text = encodeFinished(position, offsets, maxBytes);
        const kept = keptOf(position, text, offsets);
        expect(text?.length ?? 0).to.be.at.most(maxBytes);
        expect(kept).to.deep.equal(offsets.slice(0, kept.length));
        for (const probe of probes({ position, offsets })) {
          expect(decodeFinished(position, text).has(probe) && !offsets.includes(probe)).to.equal(false);
        }
      }),
    );
  });

  for (const { chance, least } of [
    { chance: 0.1, least: 4500 },
    { chance: 0.5, least: 11_900 },
    { chance: 0.9, least: 40_000 },
  ]) {
    it(`fills the room well when of 100 000 in flight a share of ${chance} is finished`, () => {
      const offsets = finishedAtRandom(7_000, 100_000, chance, 11);
      const text = encodeFinished(7_000, offsets, 4096) as string;
      expect(text.length).to.be.within(3900, 4096);
      expect(keptOf(7_000, text, offsets).length).to.be.at.least(least);
    });
  }

  it("keeps a prefix where no form holds all, however large the room", () => {
    const offsets = Array.from({ length: 60_000 }, (_, index) => index * 1_000 + 1);
    const kept = keptOf(0, encodeFinished(0, offsets, 1_000_000), offsets);
    expect(kept.length).to.be.within(8_000, 59_999);
    expect(kept).to.deep.equal(offsets.slice(0, kept.length));
  });

  it("leaves out what is further from the position than an edge can say", () => {
    const offsets = [5, 2 ** 32 - 2, 2 ** 32 - 1, 2 ** 40];
    expect(keptOf(0, encodeFinished(0, offsets, 4096), offsets)).to.deep.equal([5, 2 ** 32 - 2]);
  });

  it("says a hundred thousand finished behind one that is not in a few bytes", () => {
    const offsets = Array.from({ length: 100_000 }, (_, index) => index + 1);
    expect(encodeFinished(0, offsets, 4096)?.length).to.be.at.most(32);
  });

  it("writes letters of ASCII only, which a broker counts as one byte each", () => {
    fc.assert(
      fc.property(cases, ({ position, offsets }) => {
        expect(encodeFinished(position, offsets, 4096)).to.match(/^mr1:[\w-]+$/);
      }),
    );
  });

  it("writes too what an earlier owner had finished and is not delivered again yet", () => {
    fc.assert(
      fc.property(cases, fc.nat(50), fc.nat(50), ({ position, offsets }, moved, share) => {
        const half = Math.floor((offsets.length * share) / 50);
        const carried = decodeFinished(position, encodeFinished(position, offsets, 100_000));
        const later = position + moved;
        const text = encodeFinished(later, offsets.slice(half), 100_000, carried);
        const finished = decodeFinished(later, text);
        const both = new Set(offsets.filter((offset) => offset >= later));
        for (const probe of probes({ position, offsets })) expect(finished.has(probe)).to.equal(both.has(probe));
      }),
    );
  });

  it("carries nothing over to a position below the one it was known for", () => {
    const carried = decodeFinished(100, encodeFinished(100, [105], 4096));
    expect(encodeFinished(50, [], 4096, carried)).to.equal(undefined);
  });
});
