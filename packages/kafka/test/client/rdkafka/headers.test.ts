import { expect } from "chai";
import fc from "fast-check";
import { fromNativeHeaders, toNativeHeaders } from "../../../src/client/rdkafka/headers.js";
import type { NativeHeaders } from "../../../src/client/rdkafka/native.js";
import { thrownBy } from "./support/errors.js";

describe("headers", () => {
  const refused: [string, Buffer | null][] = [
    ["is null", null],
    ["contains a NUL byte", Buffer.from("a\0b")],
    ["is not valid UTF-8", Buffer.from([0xff, 0xfe])],
    ["is not valid UTF-8", Buffer.from([0xed, 0xa0, 0x80])],
  ];
  for (const [reason, value] of refused) {
    it(`refuse a value that ${reason} (${value?.toString("hex") ?? "null"}), and name the header and the driver that sends it`, () => {
      const error = thrownBy(() =>
        toNativeHeaders("t", [
          ["fine", Buffer.from("x")],
          ["trace", value],
        ]),
      );
      expect(error).to.include({ code: "INVALID_RECORD" });
      expect(error.message)
        .to.contain(`header "trace" ${reason}`)
        .and.to.match(/node-rdkafka.*`confluentDriver`/);
    });
  }

  it("refuse a name that would be cut or garbled, which no driver sends", () => {
    for (const takesBytes of [false, true]) {
      for (const name of ["a\0b", "a\ud800"]) {
        const error = thrownBy(() => toNativeHeaders("t", [[name, Buffer.from("x")]], takesBytes));
        expect(error).to.include({ code: "INVALID_RECORD" });
        expect(error.message).to.contain("no client sends").and.not.to.contain("confluentDriver");
      }
    }
  });

  it("refuse a value that is no Buffer, also where bytes may be sent", () => {
    for (const takesBytes of [false, true]) {
      for (const value of ["text", new Uint8Array(1), undefined])
        expect(thrownBy(() => toNativeHeaders("t", [["n", value as never]], takesBytes)).code).to.equal(
          "INVALID_RECORD",
        );
    }
  });

  it("are null by a Buffer without memory, and empty by a text, where the binding takes bytes", () => {
    const [none, empty] = toNativeHeaders(
      "t",
      [
        ["none", null],
        ["empty", Buffer.alloc(0)],
      ],
      true,
    );
    expect((none?.["none"] as Buffer).buffer.byteLength).to.equal(0);
    expect(empty).to.deep.equal({ empty: "" });
  });

  it("send every UTF-8 text without NUL intact", () => {
    const text = fc.string({ unit: "grapheme" }).filter((value) => !value.includes("\0"));
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text)), (pairs) => {
        const native = toNativeHeaders(
          "t",
          pairs.map(([name, value]) => [name, Buffer.from(value)] as const),
        );
        expect(native.map((header) => Object.entries(header)[0])).to.deep.equal(pairs);
      }),
    );
  });

  it("refuse or keep every value of bytes, never change one", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.boolean(), (bytes, takesBytes) => {
        let native: NativeHeaders;
        try {
          native = toNativeHeaders("t", [["h", Buffer.from(bytes)]], takesBytes);
        } catch {
          expect(takesBytes).to.equal(false);
          return;
        }
        expect([...Buffer.from(native[0]?.["h"] as string)]).to.deep.equal([...bytes]);
      }),
    );
  });

  it("come back in order, with repeated names", () => {
    const [one, two] = [Buffer.from("1"), Buffer.from("2")];
    expect(fromNativeHeaders([{ a: one }, { a: two }])).to.deep.equal([
      ["a", one],
      ["a", two],
    ]);
    expect(fromNativeHeaders(undefined)).to.deep.equal([]);
  });

  it("come back under the name __proto__, which node-rdkafka turns into the object's prototype", () => {
    const value = Buffer.from("x");
    const header: Record<string, Buffer> = {};
    Object.setPrototypeOf(header, value);
    expect(fromNativeHeaders([header])).to.deep.equal([["__proto__", value]]);
  });
});
