import { type CommittableOffset, CommittableOffsetBatch } from "@millrace/kafka";
import { expect } from "chai";
import { FakeOwner } from "../support/fake-owner.js";

describe("aggregating offsets", () => {
  const owner = new FakeOwner();
  const positionsOf = (...offsets: readonly CommittableOffset[]): unknown =>
    offsets
      .reduce((batch, offset) => batch.updated(offset), CommittableOffsetBatch.empty)
      .offsets()
      .map(({ topic, partition, position }) => `${topic}[${partition}]@${position}`)
      .sort();

  it("C-35 keeps a single offset", () => {
    expect(positionsOf(owner.offset(5))).to.deep.equal(["t[0]@6"]);
  });

  it("C-36 keeps the highest of a partition", () => {
    expect(positionsOf(owner.offset(5), owner.offset(6))).to.deep.equal(["t[0]@7"]);
  });

  // Merging takes the maximum; nothing depends on who comes last.
  it("C-37 keeps the highest of a partition also when it comes first", () => {
    expect(positionsOf(owner.offset(6), owner.offset(5))).to.deep.equal(["t[0]@7"]);
  });

  it("C-38 keeps the highest of each topic and partition", () => {
    const mixed = [
      owner.offset(1, 0, "a"),
      owner.offset(9, 1, "a"),
      owner.offset(3, 0, "b"),
      owner.offset(2, 0, "a"),
      owner.offset(4, 1, "a"),
    ];
    expect(positionsOf(...mixed)).to.deep.equal(["a[0]@3", "a[1]@10", "b[0]@4"]);
  });
});
