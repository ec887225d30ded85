import { json, SendProducer } from "@millrace/kafka";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { expect } from "chai";
import fc from "fast-check";
import { z } from "zod";
import { failureText } from "../../src/records/failure-text.js";
import { FakeKafka } from "../support/fake-kafka.js";
import { errorOf, rejectionOf } from "../support/until.js";

const bytes = (text: string): Buffer => Buffer.from(text, "utf8");
type Schema = StandardSchemaV1<unknown, unknown>;

const decodeError = (schema: Schema, text: string): Error => errorOf(() => json(schema).decode(bytes(text))) as Error;

/** A schema that answers so, whatever it is given. */
const answering = (validate: (value: unknown) => unknown): Schema => ({
  "~standard": { version: 1, vendor: "hand", validate: validate as Schema["~standard"]["validate"] },
});

/** What a record holds here: no message may have any of it. */
const SECRET = /S3CRET|41{6}|hunter/i;

const secretText = fc.oneof(
  fc.nat(999).map((n) => `S3CRET ${n}`),
  fc.nat(999).map((n) => `S3CRET "${n}"\n\u001b[31m`),
  fc.nat(99).map((n) => `hunter@${n}.example`),
  fc.constant("hunter"),
);
const secretNumber = fc.nat(999).map((n) => 4_111_111_000 + n);
const secretRecord = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    secretText,
    secretNumber,
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(
      secretText.filter((text) => text !== "hunter"),
      tie("value"),
      { maxKeys: 3 },
    ),
  ),
})).value;

type Path = readonly (string | number)[];

/** Every place in a value. */
const placesIn = (value: unknown, path: Path = []): readonly { readonly path: Path; readonly value: unknown }[] => [
  { path, value },
  ...(typeof value === "object" && value !== null
    ? Object.entries(value).flatMap(([key, inner]) =>
        placesIn(inner, [...path, Array.isArray(value) ? Number(key) : key]),
      )
    : []),
];

const textOf = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

/** How libraries and authors of schemas repeat a value. */
const WAYS: Readonly<Record<string, (value: unknown) => string>> = {
  zod: (value) =>
    `Unrecognized keys: ${Object.keys(new Object(value))
      .map((key) => `"${key}"`)
      .join(", ")}`,
  valibot: (value) => `Invalid type: Expected boolean but received ${JSON.stringify(value)}`,
  arktype: (value) => `must be a boolean (was ${textOf(value)})`,
  "its author": (value) => `${textOf(value)} will not do`,
  "its author, who trims": (value) => `no such name: '${textOf(value).trim().toUpperCase()}'`,
};

/** A schema that refuses what stands at `path`, in the words of `say`. */
const refusing = (path: Path, say: (value: unknown) => string): Schema =>
  answering((value) => {
    const at = path.reduce((inner: unknown, key) => (inner as Record<string, unknown>)[key], value);
    return { issues: [{ message: say(at), path }] };
  });

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

describe("the text of a failure to decode", () => {
  for (const [library, say] of Object.entries(WAYS)) {
    it(`repeats no value and no key of the record, where the message is as of ${library}`, () => {
      fc.assert(
        fc.property(secretRecord, fc.nat(), (record, choice) => {
          const places = placesIn(record);
          const { path } = places[choice % places.length]!;
          const { message, cause } = decodeError(refusing(path, say), JSON.stringify(record));
          expect(message).not.to.match(SECRET);
          expect(message).not.to.match(/\p{Cc}/u);
          expect(message.length).to.be.at.most(500);
          expect((cause as readonly { readonly path: Path }[])[0]?.path).to.equal(path);
        }),
      );
    });
  }

  it("repeats nothing of a text that is no JSON, and says where it is wrong if Node does", () => {
    fc.assert(
      fc.property(
        secretRecord,
        fc.nat(),
        fc.constantFrom("x", "\u0001", '"', "{", "", "12a", "'"),
        (record, at, more) => {
          const whole = JSON.stringify(record);
          const place = at % whole.length;
          const text = more === "" ? whole.slice(0, place) : whole.slice(0, place) + more + whole.slice(place);
          fc.pre(!isJson(text));
          const error = errorOf(() => json().decode(bytes(text))) as SyntaxError;
          expect(error).to.be.instanceOf(SyntaxError);
          expect(error.message).to.match(/^the text is not valid JSON(, see position \d+|: it ends too early)?$/);
          expect(error.cause).to.be.instanceOf(SyntaxError);
          expect(failureText(error)).to.equal(error.message);
          expect(failureText(error.cause)).to.equal(error.message);
        },
      ),
    );
    expect(decodeError(z.object({}), '{"pan": 12a3}').message).to.match(/see position 10$/);
    expect(decodeError(z.object({}), '{"pan": 12').message).to.match(/ends too early|see position 10$/);
  });

  it("says what is wrong in the words of the schema", () => {
    const schema = z.object({ kind: z.enum(["card", "cash"]), items: z.array(z.object({ price: z.number() })) });
    const { message } = decodeError(schema, '{"kind":"cheque","items":[{"price":1},{"price":"free"}]}');
    expect(message).to.match(/^kind: .*"card"\|"cash"; items\.1\.price: .*expected number, received string$/);
  });

  it("names five issues at most, and how many others there are", () => {
    const many = JSON.stringify(Array.from({ length: 100_000 }, () => ({ a: 1 })));
    const { message } = decodeError(z.array(z.object({ a: z.string() })), many);
    expect(message.match(/expected string/g)).to.have.length(5);
    expect(message).to.match(/ \(and 99995 more\)$/);
    expect(message.length).to.be.at.most(500);
    const long = { message: "long ".repeat(100) };
    const longOnes = decodeError(
      answering(() => ({ issues: Array.from({ length: 7 }, () => long) })),
      "1",
    );
    expect(longOnes.message.length).to.equal(500);
    expect(longOnes.message).to.match(/… \(and 2 more\)$/);
  });

  it("names fields of the schema, and no name that the record has made up", () => {
    const paths: readonly (readonly [Path, string])[] = [
      [["a", 0, "b_1"], "a.0.b_1: bad"],
      [["x\n2026 ERROR forged"], "…: bad"],
      [["4111111111111111", "b"], "….b: bad"],
      [["user_4111111111111111"], "…: bad"],
      [["f47ac10b-58cc-4372-a567-0e02b2c3d479"], "…: bad"],
      [["a".repeat(50)], "…: bad"],
      [Array.from({ length: 20_000 }, () => 0), "0.0.0.0.0.0.0.0.…: bad"],
    ];
    for (const [path, text] of paths) {
      const schema = answering(() => ({ issues: [{ message: "bad", path }] }));
      expect(decodeError(schema, "{}").message).to.equal(text);
    }
  });

  it("copes with issues that are none", () => {
    for (const issue of [{}, { message: { toString: 1 } }, { message: 7, path: [{ key: Symbol("s") }] }]) {
      const schema = answering(() => ({ issues: [issue] }));
      expect(decodeError(schema, "{}")).to.be.instanceOf(TypeError);
    }
  });

  it("of a decoder of one's own is short and in its line, and does not repeat what a library repeats in it", () => {
    const thrownBy = (f: () => unknown): string => failureText(errorOf(f));
    expect(thrownBy(() => JSON.parse('{"pan": "4111111111" "hunter"}'))).not.to.match(SECRET);
    expect(thrownBy(() => z.strictObject({}).parse({ "S3CRET key": 1 }))).to.equal('Unrecognized key: "…"');
    expect(thrownBy(() => z.literal("a").parse("hunter"))).not.to.match(SECRET);
    const long = thrownBy(() => {
      throw new Error(`no schema 7\n${"x".repeat(10_000)}`);
    });
    expect(long)
      .to.match(/^no schema 7\\nx+…$/)
      .and.to.have.length(500);
  });
});

describe("the text of a failure to encode", () => {
  const failing = async (encode: () => never): Promise<Error> => {
    const kafka = new FakeKafka();
    const sender = SendProducer.create({ kafka: kafka.settings, value: { encode } });
    const error = await rejectionOf(sender.send({ topic: "t", value: "v" as never }));
    await sender.close();
    return error as Error;
  };

  it("is short, in its line, and there for whatever was thrown", async () => {
    const long = await failing(() => {
      throw new Error(`forged\n2026 ERROR ${"x".repeat(10_000)}`);
    });
    expect(long).to.include({ code: "SERIALIZATION_FAILED" });
    expect(long.message).to.match(/^A record for t could not be encoded: forged\\n2026 ERROR x+…$/);
    expect(long.message.length).to.be.at.most(560);
    for (const thrown of [undefined, Object.create(null), 7, { toString: 1 }]) {
      const error = await failing(() => {
        throw thrown;
      });
      expect(error).to.include({ code: "SERIALIZATION_FAILED" });
      expect(error.cause).to.equal(thrown);
    }
  });

  it("names a promise that the encoder answered, whose rejection harms nobody", async () => {
    const cause = new Error("schema registry");
    const error = await failing((async () => {
      throw cause;
    }) as unknown as () => never);
    expect(error).to.include({ code: "SERIALIZATION_FAILED" });
    expect(error.message).to.match(/the encoder answered a promise/);
    expect((error.cause as Error).cause).to.equal(cause);
  });
});
