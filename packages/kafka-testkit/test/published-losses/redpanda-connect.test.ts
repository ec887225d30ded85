import { publishedLoss } from "./support/published-loss.js";
import { type Task, TrackingConsumer } from "./support/tracking-consumer.js";

/**
 * On a revocation the trackers of the partitions were taken down, and the handler returned while work was under way. What was
 * acknowledged after that was marked for the next commit all the same; the client asked nobody whether the partition was still
 * its own, and so moved the position of another consumer.
 */
class LateMark extends TrackingConsumer {
  override async onRevoke(partitions: readonly number[]): Promise<void> {
    this.giveUp(partitions);
  }

  protected override async work(task: Task): Promise<void> {
    await super.work(task);
    this.hands.beside(this.commitNow([task.tracker]).catch(() => undefined));
  }
}

describe("Redpanda Connect", () => {
  publishedLoss("RP Connect #4009: a late completion marked for a revoked partition", {
    copy: (hands) => new LateMark(hands),
    found: ["COMMIT_WENT_BACK"],
    conditions: { records: 10, processes: 2 },
  });
});
