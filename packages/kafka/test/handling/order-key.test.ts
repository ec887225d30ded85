import { expect } from "chai";
import { orderKeyOf } from "../../src/handling/order-key.js";

const record = (key: unknown, partition = 0) => ({ topic: "t", partition, offset: 0, key });

describe("what records have in common that are handled in order", () => {
  const keyOf = orderKeyOf("key");

  it("is their key, by its content where a serde has made an object of it", () => {
    const same: readonly (readonly [unknown, unknown])[] = [
      ["a", "a"],
      [7, 7],
      [Buffer.from([0xff, 1]), Buffer.from([0xff, 1])],
      [{ id: 1 }, { id: 1 }],
    ];
    for (const [one, other] of same) expect(keyOf(record(one))).to.equal(keyOf(record(other, 1)));
    const different: readonly (readonly [unknown, unknown])[] = [
      ["7", 7],
      [Buffer.from([0xff]), Buffer.from([0xfe])],
      [{ id: 1 }, { id: 2 }],
    ];
    for (const [one, other] of different) expect(keyOf(record(one))).not.to.equal(keyOf(record(other)));
  });

  it("is nothing where they have none", () => {
    for (const none of [null, undefined]) expect(keyOf(record(none))).not.to.equal(keyOf(record(none)));
  });

  it("is their partition, whatever their keys", () => {
    const partitionOf = orderKeyOf("partition");
    expect(partitionOf(record("a"))).to.equal(partitionOf(record("b")));
    expect(partitionOf(record("a"))).not.to.equal(partitionOf(record("a", 1)));
  });
});
