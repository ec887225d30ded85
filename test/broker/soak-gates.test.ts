import { expect } from "chai";
import fc from "fast-check";
import type { Life } from "../soak/life.js";
import { Oracle } from "../soak/oracle.js";
import { calmMs, LONG_MINUTES, planFaults } from "../soak/plan.js";
import { ProgressWatch } from "../soak/progress-watch.js";
import { reportOf } from "../soak/report.js";
import { judge, type Verdict } from "../soak/verdict.js";

const MINUTE_MS = 60_000;
const MB = 1024 * 1024;
const GATES = ["the heap", "memory outside of the heap", "the rate"] as const;

/** A process that was sampled every five seconds, and grew. */
const life = (minutes: number, grows: { readonly heap?: number; readonly rss?: number } = {}): Life => ({
  ...{ number: 0, slot: 0, pipeline: "explicit", startedAt: 0, stalls: [], heardAt: 0, delivered: 0, progressAt: 0 },
  ...{ drainAt: undefined, ended: undefined },
  samples: Array.from({ length: minutes * 12 + 1 }, (_, index) => ({
    at: index * 5000,
    heapBytes: (40 + ((grows.heap ?? 0) * index) / 12) * MB,
    heapTotalBytes: (60 + (index % 40 < 20 ? 0 : 20)) * MB,
    rssBytes: (150 + (index % 40 < 20 ? 0 : 20) + ((grows.rss ?? 0) * index) / 12) * MB,
    cpuMs: index,
    delivered: index,
  })),
});

/** Of a run in which nothing was produced, so that only growth is judged; the rate goes by `change` of its mean. */
const run = (minutes: number, lives: readonly Life[], change = 0, calmFrom = 0): Verdict => {
  const oracle = new Oracle(1, 1, () => "explicit");
  const looks = (minutes - 1) * 6;
  const rates = Array.from({ length: looks + 1 }, (_, index) => ({
    x: 1 + index / 6,
    y: 1000 * (1 + change * (index / looks - 0.5)),
  }));
  const history = { lives, brokerFaults: [], timelines: oracle.timelines, drained: [] };
  return judge({ oracle, watch: new ProgressWatch(oracle), history, rates, minutes, calmFrom });
};
const outcomes = ({ laws }: Verdict): readonly string[] =>
  GATES.map((gate) => laws.find(({ name }) => name.startsWith(gate))?.outcome ?? "none");

describe("the gates of a soak", () => {
  it("that were not judged in a long run are no pass, and are counted as failed", () => {
    const verdict = run(40, [life(4)]);
    expect(outcomes(verdict)).to.deep.equal(["not judged", "not judged", "held"]);
    expect(verdict.passed).to.equal(false);
    const options = { minutes: 40, seed: 1, records: 1, processes: 3, pipeline: "mixed" } as const;
    expect(reportOf(verdict, options)).to.match(/It did NOT hold[\s\S]* 2 failed, 0 skipped$/);
  });

  it("are said to be skipped in a run that is too short for them", () => {
    const verdict = run(5, [life(4)]);
    expect(outcomes(verdict)).to.deep.equal(["too short", "too short", "too short"]);
    expect(verdict.passed).to.equal(true);
    expect(verdict.laws.at(-1)?.detail).to.contain(`a run of ${LONG_MINUTES} minutes is judged`);
    const options = { minutes: 5, seed: 1, records: 1, processes: 3, pipeline: "mixed" } as const;
    expect(reportOf(verdict, options)).to.match(/ 0 failed, 3 skipped$/);
  });

  for (const [what, lives, change, expected] of [
    ["no growth", [life(6)], 0, ["held", "held", "held"]],
    ["a heap that grows", [life(6), life(6, { heap: 0.6 })], 0, ["broken", "held", "held"]],
    ["resident memory that grows", [life(6, { rss: 2.1 })], 0, ["held", "broken", "held"]],
    ["a rate that falls by 10.7 %", [life(6)], -0.107, ["held", "held", "broken"]],
    ["a rate that falls by 9.9 %", [life(6)], -0.099, ["held", "held", "held"]],
    ["a rate that rises by 10.7 %", [life(6)], 0.107, ["held", "held", "held"]],
  ] as const) {
    it(`judge ${what}`, () => expect(outcomes(run(20, lives, change))).to.deep.equal(expected));
  }

  it("judge resident memory where all is calm, and the heap everywhere", () => {
    const calmFrom = 10 * MINUTE_MS;
    const grown = life(16, { rss: 2.1 });
    const early = life(9, { rss: 20 });
    expect(outcomes(run(20, [life(16), early], 0, calmFrom))).to.deep.equal(["held", "held", "held"]);
    expect(outcomes(run(20, [grown, early], 0, calmFrom))).to.deep.equal(["held", "broken", "held"]);
    expect(outcomes(run(20, [life(9, { heap: 0.6 }), life(16)], 0, calmFrom))).to.deep.equal([
      "broken",
      "held",
      "held",
    ]);
    expect(outcomes(run(20, [early], 0, calmFrom))).to.deep.equal(["held", "not judged", "held"]);
  });

  it("say whether the rate fell or rose", () => {
    expect(run(20, [life(6)], -0.107).laws.at(-1)?.detail).to.equal("it fell by 10.7 %");
    expect(run(20, [life(6)], 0.107).laws.at(-1)?.detail).to.equal("it rose by 10.7 %");
  });
});

describe("positions that went back in a soak", () => {
  /** What was read, once a second from 1 s on, of one partition, just after its broker came back. */
  const verdictOf = (read: readonly number[]): string => {
    const oracle = new Oracle(1, 1, () => "explicit");
    read.forEach((position, index) => oracle.positions(1000 * (index + 1), [position]));
    const history = { lives: [], brokerFaults: [{ from: 900, until: 1000 }], timelines: oracle.timelines, drained: [] };
    const { laws } = judge({ oracle, watch: new ProgressWatch(oracle), history, rates: [], minutes: 1, calmFrom: 0 });
    return laws.find(({ name }) => name.includes("never go back"))?.outcome ?? "none";
  };

  it("break the law, whether the group goes on from there or the right ones are read again", () => {
    expect(verdictOf([10, 20, 5, 6, 30])).to.equal("broken");
    expect(verdictOf([10, 20, 5, 5, 20, 30])).to.equal("broken");
    expect(verdictOf([10, 20, 5, 40])).to.equal("broken");
    expect(verdictOf([10, 20, 20, 40])).to.equal("held");
  });
});

describe("the plan of a long soak", () => {
  const options = fc.record({
    seed: fc.nat(),
    minutes: fc.integer({ min: LONG_MINUTES, max: 120 }),
    slots: fc.integer({ min: 1, max: 8 }),
    brokerFaults: fc.boolean(),
  });

  it("leaves time for lives of five minutes at its end, a quarter of it at least", () => {
    fc.assert(
      fc.property(options, ({ minutes, ...more }) => {
        const durationMs = minutes * MINUTE_MS;
        const faults = planFaults({ ...more, durationMs, sessionTimeoutMs: 6000 });
        const overAt = Math.max(...faults.map((fault) => fault.atMs + ("downMs" in fault ? fault.downMs : 0)));
        expect(calmMs(durationMs)).to.be.at.least(durationMs / 4);
        expect(durationMs - overAt).to.be.at.least(5.5 * MINUTE_MS);
      }),
      { numRuns: 50 },
    );
  });
});
