import { ChunkSize, Run } from "@millrace/streams/stage";
import { expect } from "chai";

/** As long as chunks get, with a run that is not slow. */
const longest = (run: Run): number => {
  const size = new ChunkSize(run);
  let elements = 0;
  for (let chunk = 0; chunk < 20; chunk++) {
    elements = size.next();
    size.gave(elements);
  }
  return elements;
};

describe("ChunkSize", () => {
  let run: Run;
  beforeEach(() => {
    // Its steps do not depend on the machine.
    run = Run.create({ wrap: (outlet) => outlet });
  });
  afterEach(async () => {
    run.terminal(() => undefined)();
    await run.finished;
  });

  it("hands over no more than the stage of the run wants that wants least, wherever in the run the chunk is cut", () => {
    const wide = run.limitChunks();
    const narrow = run.with({ name: "inner" }).limitChunks();
    expect(longest(run)).to.equal(512);
    wide(64);
    narrow(3);
    expect(longest(run)).to.equal(3);
    expect(longest(run.with({ name: "other" }))).to.equal(3);
    narrow(100);
    expect(longest(run)).to.equal(64);
    wide(1000);
    expect(longest(run)).to.equal(100);
  });

  it("keeps to a limit from the next chunk on", () => {
    const size = new ChunkSize(run);
    for (let chunk = 0; chunk < 20; chunk++) size.gave(size.next());
    run.limitChunks()(5);
    expect(size.next()).to.equal(5);
    expect(size.of(100)).to.equal(5);
    expect(size.of(1)).to.equal(1);
  });
});
