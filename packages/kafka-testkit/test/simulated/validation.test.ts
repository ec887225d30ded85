import { readFileSync } from "node:fs";
import { expect } from "chai";
import { scenarios } from "../../../../test/validation/scenarios.js";
import { inSimulation } from "../../../../test/validation/simulated-cluster.js";

const SEEDS = [1, 2, 3, 4, 5];

describe("the simulated cluster shows what a real broker shows", () => {
  for (const { name, run, expected } of scenarios) {
    it(name, async () => {
      for (const seed of SEEDS) expect(await inSimulation(seed, run), `seed ${seed}`).to.deep.equal(expected);
    });
  }

  it("is described in docs/simulation.md with every scenario", () => {
    const page = readFileSync(new URL("../../../../docs/simulation.md", import.meta.url), "utf8");
    for (const { name, onBroker } of scenarios) {
      expect(page).to.contain(`| ${name} | ${onBroker ? `not so: ${onBroker.because}` : "the same"} |`);
    }
  });

  it("has a name of its own for each scenario", () => {
    expect(new Set(scenarios.map(({ name }) => name)).size).to.equal(scenarios.length);
  });
});
