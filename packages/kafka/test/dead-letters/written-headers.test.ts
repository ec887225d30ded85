import { DeserializationError, type Headers, readDeadLetter, type WrittenDialect } from "@millrace/kafka";
import { expect } from "chai";
import fc from "fast-check";
import type { RawRecord } from "../../src/dead-letters/letter.js";
import { sendableHeaders } from "../../src/dead-letters/sendable-headers.js";
import { writtenHeaders } from "../../src/dead-letters/written-headers.js";
import { headersOf, inputs, records, written, type Written } from "./peers.js";

const DIALECTS: readonly WrittenDialect[] = ["spring", "plain", "smallrye", "karafka"];

const bytesOf = (hex: string | null): Buffer | null => (hex === null ? null : Buffer.from(hex, "hex"));

/** The record that a peer's dead letter was written for. */
const originalOf = (letter: Written): RawRecord => {
  const original = readDeadLetter({ headers: headersOf(letter) })?.original;
  const input = inputs.find(
    ({ topic, partition, offset }) =>
      topic === original?.topic && partition === original.partition && offset === original.offset,
  );
  if (!input) throw new Error(`no input of ${letter.topic}`);
  const { topic, partition, offset, timestamp, key, value } = input;
  const own = headersOf(letter).filter(([name]) => !/^(kafka_|dead-letter-|deserialization-)/.test(name));
  return { topic, partition, offset, timestamp, key: bytesOf(key), value: bytesOf(value), headers: own };
};

const record: RawRecord = {
  ...{ topic: "orders", partition: 3, offset: 2 ** 40 + 1, timestamp: 1_700_000_000_123 },
  key: Buffer.from("k"),
  value: Buffer.from("v"),
  headers: [],
};
const failure = new Error("503", { cause: new TypeError("no route") });
const undecodable = (part: "key" | "value") => new DeserializationError(part, `the ${part} is no JSON`, undefined);

const valuesOf = (headers: Headers, names: RegExp): readonly (readonly [string, string | undefined])[] =>
  headers.filter(([name]) => names.test(name)).map(([name, value]) => [name, value?.toString("hex")]);

describe("the headers of a dead letter", () => {
  const PEERS: Readonly<Record<string, readonly [WrittenDialect, RegExp, unknown]>> = {
    "fx.handler-dlt": ["spring", /-original-/, failure],
    "fx.ints-dlt": ["spring", /-original-/, undecodable("value")],
    "sr.orders-dead": ["smallrye", /^dead-letter-(topic|partition|offset)$/, failure],
    "dead-letter-topic-plain": ["smallrye", /^dead-letter-(topic|partition|offset)$/, new Error("no cause")],
  };
  for (const [topic, [dialect, places, error]] of Object.entries(PEERS)) {
    for (const letter of records.filter((each) => each.topic === topic)) {
      it(`are, in ${dialect}, named and ordered as those of ${letter.writer} in ${topic}[${letter.partition}]@${letter.offset}, with its bytes`, () => {
        const theirs = headersOf(letter);
        const group = readDeadLetter({ headers: theirs })?.original.group ?? "";
        const ours = writtenHeaders(dialect, originalOf(letter), { error, group }, "all");
        const isKey = theirs.some(([name]) => name.includes("key-exception"));
        if (!isKey) expect(ours.map(([name]) => name)).to.deep.equal(theirs.map(([name]) => name));
        expect(valuesOf(ours, places)).to.deep.equal(valuesOf(theirs, places));
      });
    }
  }

  it("are, in spring, named as Spring's where the key cannot be decoded", () => {
    const theirs = records.filter(
      (each) =>
        each.headers.some(([name]) => name === "kafka_dlt-key-exception-fqcn") &&
        !each.headers.some(([name]) => name === "kafka_dlt-exception-fqcn"),
    );
    expect(theirs).not.to.deep.equal([]);
    for (const letter of theirs) {
      const ours = writtenHeaders("spring", originalOf(letter), { error: undecodable("key"), group: "g" }, "all");
      expect(ours.map(([name]) => name)).to.deep.equal(letter.headers.map(([name]) => name));
    }
  });

  const text = fc.string({ unit: "binary", maxLength: 3000 });
  for (const dialect of DIALECTS) {
    it(`are read again as they were written, in ${dialect}`, () => {
      fc.assert(
        fc.property(
          fc.record({ partition: fc.nat(), offset: fc.maxSafeNat(), timestamp: fc.maxSafeNat() }),
          text,
          fc.integer({ min: 1, max: 9 }),
          (place, message, attempts) => {
            const error = new Error(message);
            const headers = writtenHeaders(dialect, { ...record, ...place }, { error, group: "g", attempts }, "all");
            const letter = readDeadLetter({ headers });
            expect(letter?.dialect).to.equal(dialect);
            expect(letter?.original).to.include({ topic: "orders", partition: place.partition, offset: place.offset });
            expect(letter?.valueLost).to.equal(false);
            if (dialect === "spring" || dialect === "plain")
              expect(letter?.original).to.include({ timestamp: place.timestamp, group: "g" });
            if (dialect !== "smallrye") expect(letter?.attempts).to.equal(attempts);
            if (dialect !== "karafka") expect(letter?.error.name).to.equal("Error");
          },
        ),
      );
    });

    it(`take at most 4 KB and do not grow when the record goes round, in ${dialect}`, () => {
      const error = new Error("é".repeat(5000), { cause: new Error("ü".repeat(5000)) });
      const sizeOf = (headers: Headers): number =>
        headers.reduce((sum, [name, value]) => sum + name.length + (value?.length ?? 0), 0);
      let headers: Headers = [["own", Buffer.from([0])]];
      const sizes = Array.from({ length: 4 }, (_, round) => {
        const moved = { ...record, topic: round === 0 ? "orders" : "orders-dlt", headers };
        headers = writtenHeaders(dialect, moved, { error, group: "g", attempts: 4 }, "all");
        return sizeOf(headers);
      });
      expect(sizes[0]).to.be.lessThan(4096 + 1024);
      expect(new Set(sizes).size).to.equal(1);
      expect(readDeadLetter({ headers })?.original.topic).to.equal("orders");
      expect(headers.filter(([name]) => name === "own")).to.have.length(1);
    });
  }

  it("say which part could not be decoded, in those that have a word for it", () => {
    for (const part of ["key", "value"] as const) {
      for (const dialect of ["spring", "plain"] as const) {
        const headers = writtenHeaders(dialect, record, { error: undecodable(part), group: "g" }, "all");
        const { error } = readDeadLetter({ headers })!;
        expect(error.part, dialect).to.equal(part);
        expect(error.message).to.equal(`the ${part} is no JSON`);
      }
    }
  });

  it("say less where the letter would be too large, and the name at least", () => {
    const read = (detail: "without stack" | "name only") =>
      readDeadLetter({ headers: writtenHeaders("plain", record, { error: failure, group: "" }, detail) })!;
    expect(read("without stack").error).to.include({ message: "503", stack: undefined, cause: "TypeError: no route" });
    expect(read("name only").error).to.include({ name: "Error", message: "", stack: undefined, cause: undefined });
    expect(read("name only").original.group).to.equal(undefined);
  });

  it("replace what another writer has said of a failure before, and keep what it said of the origin", () => {
    const before = { ...record, topic: "fx.handler-dlt", headers: headersOf(written("fx.handler-dlt", 2)) };
    const headers = writtenHeaders("spring", before, { error: failure, group: "g" }, "all");
    const letter = readDeadLetter({ headers })!;
    expect(letter.original).to.include({ topic: "fx.handler", partition: 2, group: "fx-handler" });
    expect(letter.error).to.include({ name: "Error", message: "503" });
    expect(headers.filter(([name]) => name === "trace")).to.have.length(2);
  });

  it("say where a record of its own was read, though it has headers of the one that it was made of", () => {
    const carried: Headers = Object.entries({ topic: "orders", partition: "3", offset: "41" }).map(([name, value]) => [
      `millrace-original-${name}`,
      Buffer.from(value),
    ]);
    const line = {
      ...record,
      topic: "order-lines",
      headers: [...carried, ["millrace-replays", Buffer.from("2")] as const],
    };
    for (const dialect of DIALECTS) {
      const headers = writtenHeaders(dialect, line, { error: failure, group: "g" }, "all");
      expect(readDeadLetter({ headers })?.original, dialect).to.include({
        topic: "order-lines",
        offset: record.offset,
      });
      expect(headers.some(([name]) => name === "millrace-replays")).to.equal(false);
    }
    // Written back to its topic, it is the record that it was.
    const back = writtenHeaders("spring", { ...line, topic: "orders" }, { error: failure, group: "g" }, "all");
    expect(readDeadLetter({ headers: back })?.original).to.include({ topic: "orders", partition: 3, offset: 41 });
  });

  it("are sent as base64, in their places, where the driver takes only text", () => {
    const headers: Headers = [
      ["a", Buffer.from("text")],
      ["b", Buffer.from([0xff, 0])],
      ["a", Buffer.from([0])],
      ["n", null],
    ];
    expect(sendableHeaders(headers).map(([name, value]) => [name, value?.toString()])).to.deep.equal([
      ["a", "text"],
      ["millrace-b64-b", "/wA="],
      ["millrace-b64-a", "AA=="],
      ["millrace-b64-n", ""],
    ]);
  });
});
