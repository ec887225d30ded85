import { attempt, bytes, json, nullable, string } from "@millrace/kafka";
import { expect } from "chai";
import { z } from "zod";
import { errorOf } from "../support/until.js";

const text = (value: string): Buffer => Buffer.from(value, "utf8");

/** What any library can offer; this one wants `{ n: number }`. */
const byHand = {
  "~standard": {
    version: 1,
    vendor: "hand",
    validate: (value: unknown) => {
      const n: unknown = typeof value === "object" && value !== null && "n" in value ? value.n : undefined;
      return typeof n === "number" ? { value: { n } } : { issues: [{ message: "no number", path: ["n", { key: 0 }] }] };
    },
  },
} as const;

describe("serdes", () => {
  describe("refusing", () => {
    it("json() names the field and what is wrong with it, for zod", () => {
      const error = errorOf(() => json(z.object({ a: z.object({ b: z.number() }) })).decode(text('{"a":{"b":"x"}}')));
      expect((error as Error).message).to.match(/a\.b: .*number/);
    });

    it("json() names the path of a schema written by hand", () => {
      expect((errorOf(() => json(byHand).decode(text("{}"))) as Error).message).to.equal("n.0: no number");
    });

    it("json() refuses a schema that validates asynchronously", () => {
      const later = { "~standard": { ...byHand["~standard"], validate: async () => ({ value: 1 }) } };
      expect((errorOf(() => json(later).decode(text("1"))) as Error).message).to.match(/synchronously/);
    });

    it("json() throws on text that is no JSON, and on a value without JSON form", () => {
      expect(errorOf(() => json().decode(text("{")))).to.be.instanceOf(SyntaxError);
      expect((errorOf(() => json().encode(undefined)) as Error).message).to.match(/no JSON form/);
    });

    it("string(), bytes() and json() refuse a tombstone, and name nullable()", () => {
      for (const serde of [string(), bytes(), json()]) {
        expect((errorOf(() => serde.decode(null)) as Error).message).to.match(/nullable\((string|bytes|json)\(\)\)/);
      }
    });
  });

  it("json() decodes what zod and a hand-written schema accept, transformed", () => {
    expect(json(z.object({ n: z.number() }).transform(({ n }) => n + 1)).decode(text('{"n":1}'))).to.equal(2);
    expect(json(byHand).decode(text('{"n":1,"more":true}'))).to.deep.equal({ n: 1 });
  });

  it("json() without a schema decodes anything", () => {
    expect(json().decode(text('[1,"ü"]'))).to.deep.equal([1, "ü"]);
    expect(json().encode([1, "ü"])?.toString("utf8")).to.equal('[1,"ü"]');
  });

  it("string() is UTF-8 both ways", () => {
    expect(string().decode(text("grün"))).to.equal("grün");
    expect(string().encode("grün")?.toString("utf8")).to.equal("grün");
  });

  it("bytes() is the bytes themselves, which must then stay", () => {
    const value = text("x");
    expect(bytes().decode(value)).to.equal(value);
    expect(bytes().encode(value)).to.equal(value);
    expect(bytes().keepsBytes).to.equal(true);
  });

  it("nullable() passes tombstones both ways, and the rest to the serde within", () => {
    const serde = nullable(string());
    expect([serde.decode(null), serde.encode(null)]).to.deep.equal([null, null]);
    expect(serde.decode(text("x"))).to.equal("x");
    expect([serde.keepsBytes, nullable(bytes()).keepsBytes]).to.deep.equal([false, true]);
  });

  it("attempt() turns a failure into a value that carries the bytes and the error", () => {
    const serde = attempt(json(z.number()));
    expect(serde.decode(text("1"))).to.deep.equal({ ok: true, value: 1 });
    const bad = serde.decode(text('"x"'));
    expect(bad).to.include({ ok: false });
    expect(bad.ok ? undefined : bad.bytes?.toString()).to.equal('"x"');
    expect(serde.keepsBytes).to.equal(true);
  });
});
