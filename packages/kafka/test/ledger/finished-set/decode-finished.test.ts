import { deflateRawSync } from "node:zlib";
import { expect } from "chai";
import fc from "fast-check";
import { decodeFinished } from "../../../src/ledger/finished-set/decode-finished.js";
import { MAX_RUNS } from "../../../src/ledger/finished-set/edges.js";
import { encodeFinished } from "../../../src/ledger/finished-set/encode-finished.js";
import { sealFrame } from "../../../src/ledger/finished-set/frame.js";
import { cases, probes } from "./support.js";

const texts = cases.map(({ position, offsets }) => ({
  position,
  text: encodeFinished(position, offsets, 4096) as string,
}));

const range = (from: number, until: number): number[] => Array.from({ length: until - from }, (_, i) => from + i);

describe("decodeFinished", () => {
  it("knows nothing without metadata", () => {
    for (const metadata of [undefined, null, ""]) expect(decodeFinished(5, metadata).isEmpty).to.equal(true);
    expect(decodeFinished(5, "").lastOffset).to.equal(-1);
    expect(decodeFinished(5, "").has(-1)).to.equal(false);
  });

  it("knows nothing of a text that was cut anywhere", () => {
    fc.assert(
      fc.property(texts, ({ position, text }) => {
        for (let length = 0; length < text.length; length++) {
          expect(decodeFinished(position, text.slice(0, length)).isEmpty).to.equal(true);
          expect(decodeFinished(position, text.slice(text.length - length)).isEmpty).to.equal(true);
        }
      }),
      { numRuns: 40 },
    );
  });

  it("knows nothing of a text with bits flipped", () => {
    fc.assert(
      fc.property(
        texts,
        fc.array(fc.record({ at: fc.nat(), bit: fc.nat(7) }), { minLength: 1, maxLength: 3 }),
        ({ position, text }, flips) => {
          const bytes = Buffer.from(text);
          for (const { at, bit } of flips) bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ (1 << bit);
          const altered = bytes.toString("latin1");
          if (altered !== text) expect(decodeFinished(position, altered).isEmpty).to.equal(true);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it("knows nothing of letters added to or doubled in a text", () => {
    fc.assert(
      fc.property(
        texts,
        fc.nat(),
        fc.constantFrom(" ", "\n", "=", "A", "\0\0", "é"),
        ({ position, text }, at, letter) => {
          const place = at % (text.length + 1);
          const altered = text.slice(0, place) + letter + text.slice(place);
          expect(decodeFinished(position, altered).isEmpty).to.equal(true);
        },
      ),
    );
  });

  it("knows nothing of another version, or of a commit of another position", () => {
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: 1_000 }), ({ position, text }, moved) => {
        expect(decodeFinished(position, text.replace("mr1:", "mr2:")).isEmpty).to.equal(true);
        expect(decodeFinished(position + moved, text).isEmpty).to.equal(true);
      }),
    );
  });

  it("throws at no text, and believes none", () => {
    const letters = fc.string({
      unit: fc.constantFrom("m", "r", "1", ":", "A", "z", "9", "-", "_", "+", "/", "="),
      maxLength: 60,
    });
    const foreign = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.base64String(),
      letters,
      letters.map((text) => `mr1:${text}`),
    );
    fc.assert(
      fc.property(foreign, (text) => {
        expect(decodeFinished(3, text).isEmpty).to.equal(true);
        decodeFinished(3, text, { parallelConsumer: true });
      }),
      { numRuns: 1_000 },
    );
  });

  it("knows nothing of a text of great length", () => {
    expect(decodeFinished(0, `mr1:${"A".repeat(1_000_000)}`).isEmpty).to.equal(true);
    expect(decodeFinished(0, "bGFB".repeat(100_000), { parallelConsumer: true }).isEmpty).to.equal(true);
  });

  it("keeps the runs nearest the position of a text that lists more than a set may have, here and further on", () => {
    const payload = Buffer.alloc(32 * 1024, 0b10101010);
    const body = deflateRawSync(payload);
    const finished = decodeFinished(9, sealFrame(9, { form: 3, payloadLength: payload.length, body }));
    expect(finished.size).to.equal(MAX_RUNS);
    expect(finished.lastOffset).to.equal(9 + 2 * MAX_RUNS - 1);
    expect([9, 10, 11, 12].map((offset) => finished.has(offset))).to.deep.equal([false, true, false, true]);
    for (const moved of [0, 1, 2]) {
      const later = decodeFinished(9 + moved, encodeFinished(9 + moved, [], 4096, finished));
      expect([9, 10, 11, 12, 13, 14].slice(moved).map((offset) => later.has(offset))).to.deep.equal(
        [false, true, false, true, false, true].slice(moved),
      );
    }
  });

  it("does not throw at, nor inflate beyond the length given, what has the right checksum and was not ours", () => {
    fc.assert(
      fc.property(
        fc.nat(9),
        fc.nat(65_535),
        fc.uint8Array({ minLength: 1, maxLength: 80 }),
        (form, payloadLength, body) => {
          const finished = decodeFinished(9, sealFrame(9, { form, payloadLength, body }));
          if (!finished.isEmpty) expect(form).to.be.at.most(3);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it("refuses runs whose lengths are no numbers of the format", () => {
    const runs = (...body: number[]): boolean =>
      decodeFinished(0, sealFrame(0, { form: 0, payloadLength: body.length, body: Uint8Array.from(body) })).isEmpty;
    expect(runs(1, 1)).to.equal(false);
    expect(runs(1), "odd").to.equal(true);
    expect(runs(1, 0x80), "open").to.equal(true);
    expect(runs(1, 0x80, 0x80, 0x80, 0x80, 0x80, 1), "long").to.equal(true);
    expect(runs(1, 0xff, 0xff, 0xff, 0xff, 0x7f), "beyond").to.equal(true);
  });

  it("answers for each offset what was encoded", () => {
    fc.assert(
      fc.property(cases, ({ position, offsets }) => {
        const finished = decodeFinished(position, encodeFinished(position, offsets, 100_000));
        const known = new Set(offsets);
        for (const probe of probes({ position, offsets })) expect(finished.has(probe)).to.equal(known.has(probe));
        expect(finished.size).to.equal(known.size);
        expect(finished.isEmpty).to.equal(false);
        expect(finished.lastOffset).to.equal(offsets.at(-1));
      }),
    );
  });

  it("reads a text that a client ended as strings end in C", () => {
    expect(decodeFinished(42, "mr1:AQEAtIE-pM8\0").has(44)).to.equal(true);
  });

  // Texts as they were first written: whatever else changes, committed metadata of this version must be read.
  for (const { form, position, text, count, expected } of [
    // 00 │ 0500 │ 01 ab02 00 00 │ crc: 1 unfinished, 300 finished, 1 unfinished, 1 finished.
    { form: "runs", position: 1_000, text: "mr1:AAUAAasCAABYzf_p", count: 400, expected: [...range(1, 301), 302] },
    // 01 │ 0100 │ b4 │ crc: 0b10110100.
    { form: "a bitmap", position: 42, text: "mr1:AQEAtIE-pM8", count: 20, expected: [2, 4, 5, 7] },
    {
      form: "compressed runs",
      position: 0,
      text: "mr1:Ap8ABcEBDQAAAMKgOfqnfQFhSZIkSZIkSZIkSZIkSZIkSZIkSZIkSZIkSZIkSZLksel9oA",
      count: 50_000,
      expected: range(0, 40).flatMap((run) => range(run * 1_000 + 1, run * 1_000 + 501)),
    },
    {
      form: "a compressed bitmap",
      position: 0,
      text: "mr1:A8cABcEBAQAAAICQ9vk_KCRJkiRJkiRJkiRJkiRJkiRJkiRJkiRJkiRJkiRJkiRJkiRJkiQZZikg_Q",
      count: 2_000,
      expected: range(0, 100).flatMap((run) => [run * 16 + 1, run * 16 + 3, run * 16 + 6]),
    },
  ]) {
    it(`reads ${form} of the first version as it was laid down`, () => {
      const finished = decodeFinished(position, text);
      expect(range(0, count).filter((index) => finished.has(position + index))).to.deep.equal(expected);
    });
  }
});
