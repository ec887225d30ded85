import { messageOf, printable, textOf } from "@millrace/streams/stage";
import { expect } from "chai";
import fc from "fast-check";

const hostile: Readonly<Record<string, unknown>> = {
  "an object whose toString throws": {
    toString() {
      throw new Error("no text");
    },
  },
  "an object without a prototype": Object.create(null) as unknown,
  "an object whose toString is no function": { toString: 1, valueOf: 2 },
  "an error whose message throws": Object.defineProperty(new Error("x"), "message", {
    get() {
      throw new Error("no message");
    },
  }),
  "a revoked proxy": (() => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  })(),
};

describe("the text of what was thrown", () => {
  for (const [what, thrown] of Object.entries(hostile)) {
    it(`is there for ${what}`, () => {
      expect([messageOf(thrown), textOf(thrown)]).to.include("something without a text");
    });
  }

  it("is there for what is no error, and for an error that says nothing", () => {
    expect([undefined, null, 7, "seven", Symbol("s")].map(messageOf)).to.deep.equal([
      "undefined",
      "null",
      "7",
      "seven",
      "Symbol(s)",
    ]);
    expect(messageOf(new RangeError(""))).to.equal("RangeError");
    expect([messageOf(new RangeError("far")), textOf(new RangeError("far"))]).to.deep.equal(["far", "RangeError: far"]);
  });

  it("stays in its line, whatever is in it", () => {
    expect(messageOf(new Error("a\r\n2026 ERROR forged\u001b[31m\u202etxt\u2028b\0"))).to.equal(
      "a\\r\\n2026 ERROR forged\\u001b[31m\\u202etxt\\u2028b\\u0000",
    );
  });

  it("has no character that a terminal or a log obeys, no half of one, and is no longer than asked for", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 700 }), fc.integer({ min: 1, max: 600 }), (text, longest) => {
        const printed = printable(text, longest);
        expect(printed.length).to.be.at.most(longest);
        expect(printed).not.to.match(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
        if (text.length <= longest && /^[\x20-\x7e]*$/.test(text)) expect(printed).to.equal(text);
      }),
    );
  });
});
