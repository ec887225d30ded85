import { expect } from "chai";
import { rebase } from "../../../src/ledger/finished-set/edges.js";

describe("the edges of a set", () => {
  it("are counted from a position further on, however many there are, where that lies in a run and where it does not", () => {
    const edges = Uint32Array.from({ length: 400_000 }, (_, index) => index + 1);
    const inside = rebase(edges, 1);
    expect(inside).to.have.length(400_000);
    expect([...inside.subarray(0, 3)]).to.deep.equal([0, 1, 2]);
    const between = rebase(edges, 2);
    expect(between).to.have.length(399_998);
    expect([...between.subarray(0, 3)]).to.deep.equal([1, 2, 3]);
  });
});
