import { checkDelivery } from "@millrace/kafka-testkit";
import { expect } from "chai";
import { copyingInTransactions } from "./support/by-hand.js";
import { caught } from "./support/caught.js";

describe("checkDelivery with exactly-once", function () {
  this.timeout(60_000);

  it("finds a loop that commits its position beside the transaction", async () => {
    const error = await caught((world) => copyingInTransactions(world, { sendOffsets: false }), {
      guarantee: "exactly-once",
    });
    expect(error.code, error.message).to.equal("DUPLICATED");
  });

  it("passes a loop whose transactions hold outputs and positions", async () => {
    const report = await checkDelivery((world) => copyingInTransactions(world, { sendOffsets: true }), {
      guarantee: "exactly-once",
      runs: 100,
    });
    expect(report.kills).to.be.greaterThan(20);
    expect(report.duplicates.max).to.equal(0);
  });
});
