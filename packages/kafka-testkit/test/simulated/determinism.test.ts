import { VirtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { WildWorld } from "./support/wild-world.js";

const live = async (seed: number): Promise<readonly string[]> => {
  const world = new WildWorld(seed, new VirtualClock());
  await world.live(150);
  await world.end();
  return world.history;
};

describe("a simulated cluster with all that it knows", () => {
  it("has the same history from the same seed, and another from another", async () => {
    const marks = ["epoch", "generation", "onLost", "abort of", "commit of", "is lost", "broker", "gave up"];
    const seen = new Set<string>();
    for (const seed of [1, 2, 3]) {
      const first = await live(seed);
      expect(await live(seed), `seed ${seed}`).to.deep.equal(first);
      expect(await live(seed + 100)).not.to.deep.equal(first);
      for (const mark of marks) if (first.some((event) => event.includes(mark))) seen.add(mark);
    }
    // They were wild enough to prove something.
    expect([...seen]).to.have.members(marks);
  }).timeout(60_000);
});
