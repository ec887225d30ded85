import { expect } from "chai";
import { decodeFinished } from "../../../src/ledger/finished-set/decode-finished.js";

/** The finished ones of the first `count` offsets from 500 on, relative to it. */
function finishedOf(bytes: readonly (number | string)[] | string, count = 60): number[] {
  const text =
    typeof bytes === "string"
      ? bytes
      : Buffer.from(bytes.map((byte) => (typeof byte === "string" ? byte.charCodeAt(0) : byte))).toString("base64");
  const finished = decodeFinished(500, text, { parallelConsumer: true });
  return [...Array(count).keys()].filter((index) => finished.has(500 + index));
}

describe("decodeFinished of Parallel Consumer's metadata", () => {
  it("is off by default, for a short foreign text can pass for it", () => {
    const runs = Buffer.from(["n".charCodeAt(0), 0, 2, 0, 3]).toString("base64");
    expect(decodeFinished(500, runs).isEmpty).to.equal(true);
    expect(decodeFinished(500, runs, { parallelConsumer: true }).isEmpty).to.equal(false);
  });

  it("knows nothing of what its writer would not write", () => {
    const refused: Record<string, readonly (number | string)[]> = {
      "nothing but magic": ["n"],
      "an unknown magic": ["q", 0, 2, 0, 3],
      "a byte per offset": ["L", 0, 1, 1],
      "Kafka Streams, 1": [1, 0, 0, 0, 0, 0, 0, 0, 9],
      "Kafka Streams, 2": [2, 0, 0, 0, 0, 0, 0, 0, 9],
      "half a length": ["n", 0, 2, 0],
      "a length of four bytes cut short": ["e", 0, 0, 0, 2, 0, 0, 0],
      "an unfinished run at the end": ["n", 0, 2, 0, 3, 0, 1],
      "a run of nothing": ["n", 0, 2, 0, 3, 0, 0, 0, 1],
      "a length below zero": ["n", 0, 2, 0x80, 3],
      "a length of four bytes below zero": ["e", 0, 0, 0, 2, 0x80, 0, 0, 3],
      "runs further than is likely": ["e", 0, 0, 0, 2, 0x01, 0, 0, 0],
      "the committed offset finished, which is how it says that nothing is (runs)": ["n", 0, 0, 0, 1],
      "the committed offset finished, which is how it says that nothing is (bitmap)": ["l", 0, 1, 0b1, 0],
      "no offset at all (runs)": ["n", 0, 0],
      "no offset at all (bitmap)": ["l", 0, 0, 0],
      "a bitmap shorter than its size": ["l", 0, 17, 0b110, 0xff, 0],
      "a bitmap longer than its size": ["l", 0, 3, 0b110, 0, 0],
      "a bitmap without its size": ["o", 0, 0, 0],
      "a bitmap that goes on past its size": ["l", 0, 3, 0b1110, 0],
      "a bitmap that ends before its size": ["l", 0, 4, 0b110, 0],
      "a bitmap of a size below zero": ["o", 0xff, 0xff, 0xff, 0xff, 0b110, 0],
      "bitmap v1, zstd": ["a", 0x28, 0xb5, 0x2f, 0xfd, 0, 0],
      "bitmap v2, zstd": ["s", 0x28, 0xb5, 0x2f, 0xfd, 0, 0],
      "runs v1, zstd": ["J", 0x28, 0xb5, 0x2f, 0xfd, 0, 0],
      "runs v2, zstd": ["p", 0x28, 0xb5, 0x2f, 0xfd, 0, 0],
    };
    for (const [name, bytes] of Object.entries(refused)) expect(finishedOf(bytes), name).to.deep.equal([]);
  });

  it("knows nothing of a text that is not its base64", () => {
    expect(finishedOf("bgACAAM=")).to.deep.equal([2, 3, 4]);
    for (const text of ["bgACAAM", "bgACAAM= ", "bgACAAN=", "bgAC\nAAM=", "bgACAAM-"]) {
      expect(finishedOf(text), text).to.deep.equal([]);
    }
  });

  it("reads runs of two bytes", () => {
    expect(finishedOf(["n", 0, 2, 0, 3, 0, 4, 0, 1])).to.deep.equal([2, 3, 4, 9]);
    const long = decodeFinished(0, Buffer.from([0x6e, 0x7f, 0xff, 0x7f, 0xff]).toString("base64"), {
      parallelConsumer: true,
    });
    expect([32_766, 32_767, 65_533, 65_534].map((offset) => long.has(offset))).to.deep.equal([
      false,
      true,
      true,
      false,
    ]);
  });

  it("reads runs of four bytes", () => {
    const finished = decodeFinished(0, Buffer.from([0x65, 0, 0, 0, 1, 0, 1, 0, 0]).toString("base64"), {
      parallelConsumer: true,
    });
    expect([0, 1, 65_536, 65_537].map((offset) => finished.has(offset))).to.deep.equal([false, true, true, false]);
    expect(finished.lastOffset).to.equal(65_536);
  });

  it("reads bitmaps of either version", () => {
    const bits = [0b1011_0100, 0b0000_0011, 0];
    expect(finishedOf(["l", 0, 10, ...bits])).to.deep.equal([2, 4, 5, 7, 8, 9]);
    expect(finishedOf(["o", 0, 0, 0, 10, ...bits])).to.deep.equal([2, 4, 5, 7, 8, 9]);
    expect(finishedOf(["l", 0, 8, 0b1000_0010, 0])).to.deep.equal([1, 7]);
  });
});
