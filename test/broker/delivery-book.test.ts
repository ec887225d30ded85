/** Whether the judge of rebalances under load would notice: one that has never said no has not been tested. */
import { expect } from "chai";
import { DeliveryBook } from "./support/delivery-book.js";

const REVOKE_MS = 1000;
const PATIENCE_MS = 5000;

/** A book of two partitions whose clock is turned by hand. */
class Story {
  now = 0;
  readonly book: DeliveryBook = new DeliveryBook({
    partitions: 2,
    revokeTimeoutMs: REVOKE_MS,
    patienceMs: PATIENCE_MS,
    now: () => this.now,
  });

  /** Delivers offsets of partition 0, and ends the work on them. */
  does(member: string, from: number, to: number): this {
    for (let offset = from; offset < to; offset++) this.book.deliver(member, 0, offset)();
    return this;
  }

  /** The member has it, works on the first five records and commits three of them. */
  begins(): this {
    this.book.assigned("one", [0]);
    this.does("one", 0, 5).book.committed("one", [[0, 3]]);
    return this;
  }

  goesOn(): this {
    this.book.assigned("two", [0]);
    return this.does("two", 3, 8);
  }

  get repeated(): Record<string, number> {
    return Object.fromEntries(this.book.repeated);
  }
}

describe("the judge of rebalances under load", () => {
  it("objects to a record that comes again when its partition was given up in time", () => {
    const story = new Story().begins();
    story.book.givenUp("one", [0], "revoked", REVOKE_MS / 2, false);
    story.goesOn();
    expect(story.repeated).to.deep.equal({ unexplained: 2 });
    expect(story.book.objections).to.have.length(2);
  });

  it("objects to a record that comes again when it was committed", () => {
    const story = new Story().begins();
    story.book.committed("one", [[0, 5]]);
    story.book.givenUp("one", [0], "revoked", 10, false);
    story.goesOn();
    expect(story.repeated).to.deep.equal({ finished: 2 });
    expect(story.book.objections[0]).to.equal("two was given 0@3, but 5 was committed");
  });

  it("counts records that come again, by why their member could not commit them", () => {
    const late = new Story().begins();
    late.book.givenUp("one", [0], "revoked", REVOKE_MS, false);
    const lost = new Story().begins();
    lost.book.givenUp("one", [0], "lost", 0, false);
    const thrownOut = new Story().begins();
    thrownOut.book.left("one", true);
    const found = [late, lost, thrownOut].map((story) => [story.goesOn().repeated, story.book.objections]);
    expect(found).to.deep.equal([
      [{ "out of time": 2 }, []],
      [{ lost: 2 }, []],
      [{ "left abruptly": 2 }, []],
    ]);
    expect([late.book.timedOut, lost.book.timedOut]).to.deep.equal([1, 0]);
  });

  it("objects to a record that is left out, within an assignment and between two", () => {
    const within = new Story().begins().does("one", 6, 7);
    expect(within.book.objections).to.deep.equal(["one was given 0@6 where 5 was expected"]);
    const between = new Story().begins();
    between.book.left("one", true);
    between.book.assigned("two", [0]);
    expect(between.does("two", 6, 7).book.objections).to.have.length(1);
    expect(between.book.missing([7, 0])).to.equal(1);
  });

  it("objects to a record of a partition that was taken away", () => {
    const story = new Story().begins();
    story.book.takenAway("one", [0]);
    expect(story.does("one", 5, 6).book.objections).to.have.length(1);
  });

  it("objects to a commit above work that has not ended, and to one that goes back", () => {
    const story = new Story().begins();
    story.book.deliver("one", 0, 5);
    story.book.committed("one", [[0, 6]]);
    story.book.committed("one", [[0, 2]]);
    expect(story.book.objections).to.deep.equal([
      "6 of 0 is committed, and 5 not done",
      "one committed 2 of 0 after 6",
    ]);
  });

  it("objects to a member, and to a partition, of which nothing comes while there is something", () => {
    const story = new Story().begins();
    story.now = PATIENCE_MS + 1;
    story.book.look([5, 0]);
    expect(story.book.objections, "nothing to deliver").to.deep.equal([]);
    story.now += PATIENCE_MS + 1;
    story.book.look([9, 1]);
    expect(story.book.objections).to.deep.equal([
      "one was given nothing of 0 for 5000 ms, from 5 on",
      "nobody was given anything of 0 for 5000 ms, from 5 on",
      "nobody was given anything of 1 for 5000 ms, from 0 on",
    ]);
  });
});
