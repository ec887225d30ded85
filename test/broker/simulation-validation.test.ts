/** The scenarios by which the simulation was written down, on a real broker: `SimulatedKafka` runs them in the unit tests. */
import { expect } from "chai";
import { onBroker } from "../../packages/kafka-testkit/test/validation/broker-cluster.js";
import { scenarios } from "../../packages/kafka-testkit/test/validation/scenarios.js";
import { brokerOrSkip } from "../support/broker.js";

/** Most of a scenario is waiting, so many share the machine. */
const AT_ONCE = 10;

describe("a real broker shows what the simulated cluster shows", function () {
  this.timeout(180_000);
  const observed = new Map<string, Promise<unknown>>();

  before(async function () {
    const kafka = await brokerOrSkip(this);
    const slots: Promise<unknown>[] = Array.from({ length: AT_ONCE }, () => Promise.resolve());
    scenarios.forEach(({ name, run }, index) => {
      const free = slots[index % AT_ONCE] as Promise<unknown>;
      const running = free.then(() => onBroker(kafka, `v${process.pid}-${index}-`, run));
      observed.set(name, running);
      slots[index % AT_ONCE] = running.catch(() => undefined);
    });
  });

  after(() => Promise.allSettled(observed.values()));

  for (const { name, expected, onBroker: otherwise } of scenarios) {
    it(otherwise ? `${name}: not so, as ${otherwise.because}` : name, async () => {
      expect(await observed.get(name)).to.deep.equal(otherwise ? otherwise.expected : expected);
    });
  }
});
