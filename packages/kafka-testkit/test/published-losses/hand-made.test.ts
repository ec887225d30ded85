import { checkDelivery } from "@millrace/kafka-testkit";
import { expect } from "chai";
import { type Hands, handMade, type Rules } from "./support/hand-made.js";
import { SerialConsumer } from "./support/serial-consumer.js";
import { TrackingConsumer } from "./support/tracking-consumer.js";

/** What the copies of the peers' defects are made of, without any. */
const SOUND: Readonly<Record<string, (hands: Hands) => Rules>> = {
  "tracks its records": (hands) => new TrackingConsumer(hands),
  "handles one record at a time": (hands) => new TrackingConsumer(hands, 1),
  "handles one chunk after the other": (hands) => new SerialConsumer(hands),
};

describe("a consumer written by hand", function () {
  this.timeout(120_000);

  for (const [name, rules] of Object.entries(SOUND)) {
    it(`passes checkDelivery if it ${name} and has no defect`, async () => {
      const conditions = { records: 9, partitions: 3, processes: 2, runs: 120 } as const;
      const report = await checkDelivery(handMade(rules), { guarantee: "at-least-once", ...conditions });
      expect(report.kills).to.be.greaterThan(20);
    });
  }

  it("passes where effects and commits fail, as long as it handles what failed again", async () => {
    const report = await checkDelivery(
      handMade((hands) => new SerialConsumer(hands)),
      { guarantee: "at-least-once", effectErrorRate: 0.3, faults: { commitErrorRate: 0.3 } },
    );
    expect(report.kills).to.be.greaterThan(20);
  });
});
