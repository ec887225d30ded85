import { publishedLoss } from "./support/published-loss.js";
import { TrackingConsumer } from "./support/tracking-consumer.js";

/**
 * In one mode every rebalance restarted the streams of all partitions, also of those that stayed. What had been fetched for
 * those and waited went with the old streams, while the client's position was already behind it: the new streams began with
 * later records, and their commits sealed the loss.
 */
class RestartsAll extends TrackingConsumer {
  override async onAssign(partitions: readonly number[]): Promise<void> {
    const staying = [...this.owned.keys()];
    this.giveUp(staying);
    await super.onAssign([...staying, ...partitions]);
  }
}

describe("zio-kafka", () => {
  publishedLoss("zio #500: what waited of a partition that stayed dropped by a rebalance", {
    copy: (hands) => new RestartsAll(hands, 1),
    found: ["LOST", "STUCK", "UNSAFE_COMMIT"],
    conditions: { records: 12, partitions: 3, processes: 2 },
  });
});
