import { expect } from "chai";
import { afterOutput, beforeOutput, CopyWorld, type Split } from "./support/copy-world.js";
import { onVirtualTime } from "./support/virtual-time.js";

const FAULTS = {
  latencyMs: [0, 10],
  appendDelayMs: [0, 30],
  ackDelayMs: [0, 60],
  commitDelayMs: [0, 80],
  produceErrorRate: 0.002,
  ackLossRate: 0.002,
  partialAcceptRate: 0.2,
  commitErrorRate: 0.05,
  commitLossRate: 0.05,
} as const;

const SEEDS = [1, 2, 3, 4, 5, 6];

const live = (seed: number, strategy: string, split: Split = afterOutput): Promise<CopyWorld> =>
  onVirtualTime(async (clock) => {
    const world = new CopyWorld(seed, clock, strategy, FAULTS, split);
    await world.live(250);
    await world.settle();
    return world;
  });

describe("the copy pipeline on a simulated cluster", () => {
  for (const strategy of ["range", "cooperative-sticky"]) {
    it(`loses nothing and commits nothing early, through kills and rebalances (${strategy})`, async () => {
      let [kills, duplicates, generations] = [0, 0, 0];
      for (const seed of SEEDS) {
        const world = await live(seed, strategy);
        expect(world.violations, `seed ${seed}`).to.deep.equal([]);
        expect(world.missing, `seed ${seed}`).to.deep.equal([]);
        kills += world.kills;
        duplicates += world.duplicates;
        generations += world.kafka.group("g").generation;
      }
      // The world was rough enough to prove something.
      expect(kills).to.be.greaterThan(SEEDS.length);
      expect(duplicates).to.be.greaterThan(0);
      expect(generations).to.be.greaterThan(10 * SEEDS.length);
    }).timeout(60_000);
  }

  it("has the same history from the same seed, and another from another", async () => {
    const first = await live(11, "cooperative-sticky");
    const second = await live(11, "cooperative-sticky");
    const other = await live(12, "cooperative-sticky");
    expect(first.history.length).to.be.greaterThan(500);
    expect(second.history).to.deep.equal(first.history);
    expect(other.history).not.to.deep.equal(first.history);
  }).timeout(60_000);

  it("is caught when an offset goes before its output", async () => {
    const world = await live(1, "range", beforeOutput);
    expect(world.violations).not.to.deep.equal([]);
  }).timeout(30_000);
});
