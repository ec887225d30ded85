import { expect } from "chai";
import { scenarios } from "./scenarios.js";
import { inSimulation } from "./simulated-cluster.js";

const SEEDS = [1, 2, 3, 4, 5];

describe("the simulated cluster shows what a real broker shows", () => {
  for (const { name, run, expected } of scenarios) {
    it(name, async () => {
      for (const seed of SEEDS) expect(await inSimulation(seed, run), `seed ${seed}`).to.deep.equal(expected);
    });
  }

  it("has a name of its own for each scenario", () => {
    expect(new Set(scenarios.map(({ name }) => name)).size).to.equal(scenarios.length);
  });
});
