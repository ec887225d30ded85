/** The scenarios by which the simulation was written down, on a real broker: `SimulatedKafka` runs them in the unit tests. */
import type { LocalKafka } from "@millrace/kafka-testkit";
import { expect } from "chai";
import { onBroker } from "../validation/broker-cluster.js";
import { scenarios } from "../validation/scenarios.js";
import { brokerOrSkip, skipWithReason } from "../support/broker.js";

/** Most of a scenario is waiting, so many share the machine. */
const AT_ONCE = 10;

describe("a real broker shows what the simulated cluster shows", function () {
  this.timeout(180_000);
  const observed = new Map<string, Promise<unknown>>();

  let kafka: LocalKafka;

  before(async function () {
    kafka = await brokerOrSkip(this);
    const slots: Promise<unknown>[] = Array.from({ length: AT_ONCE }, () => Promise.resolve());
    const start = (name: string, after: Promise<unknown>, run: () => Promise<unknown>): Promise<unknown> => {
      const running = after.then(run);
      observed.set(name, running);
      return running.catch(() => undefined);
    };
    const runs = scenarios.map((scenario, index) => ({
      ...scenario,
      observe: () => onBroker(kafka, `v${process.pid}-${index}-`, scenario.run),
    }));
    runs
      .filter(({ alone }) => !alone)
      .forEach(({ name, observe }, index) => {
        const slot = index % AT_ONCE;
        slots[slot] = start(name, slots[slot] as Promise<unknown>, observe);
      });
    let last: Promise<unknown> = Promise.all(slots);
    const stoppable = runs.filter(({ alone }) => alone && kafka.kind === "jvm");
    for (const { name, observe } of stoppable) last = start(name, last, observe);
  });

  after(() => Promise.allSettled(observed.values()));

  for (const { name, expected, alone, onBroker: otherwise } of scenarios) {
    it(otherwise ? `${name}: not so, as ${otherwise.because}` : name, async function () {
      if (alone && kafka.kind !== "jvm") skipWithReason(this, "this scenario stops brokers, and these are not ours");
      expect(await observed.get(name)).to.deep.equal(otherwise ? otherwise.expected : expected);
    });
  }
});
