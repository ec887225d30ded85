import { publishedLoss } from "./support/published-loss.js";
import { Tracker, TrackingConsumer } from "./support/tracking-consumer.js";

/**
 * A stored offset outlived the assignment it was stored under. When the partition came back, after another consumer had gone
 * on with it, the next automatic commit sent the old offset, and the group's position went back by as much.
 */
class OutlivingStore extends TrackingConsumer {
  readonly #stored = new Map<number, Tracker>();

  override onAssign(partitions: readonly number[]): void {
    for (const partition of partitions) {
      const stored = this.#stored.get(partition);
      // Stored, and under this assignment not committed.
      if (stored) stored.committed = 0;
      this.owned.set(partition, new Tracker(partition));
    }
  }

  protected override async commitTimely(): Promise<void> {
    for (const tracker of this.owned.values()) if (tracker.position > 0) this.#stored.set(tracker.partition, tracker);
    await this.commitNow([...this.#stored.values()].filter(({ partition }) => this.owned.has(partition))).catch(
      () => undefined,
    );
  }
}

/**
 * A second member joined, and before the first one had polled to hear of it, its poll interval ran out as well: the flag that
 * its assignment was lost got lost itself. The application heard of no loss, and the offsets that it went on to commit,
 * as soon as it was a member again, were of partitions that others had by then.
 */
class UnheardLoss extends TrackingConsumer {
  override onLost(): void {
    // Nobody was told.
  }
}

describe("librdkafka", () => {
  publishedLoss("librdkafka #2782: a stored offset that outlives its assignment", {
    copy: (hands) => new OutlivingStore(hands),
    found: ["COMMIT_WENT_BACK"],
    conditions: { records: 30, processes: 2 },
  });

  publishedLoss("librdkafka #5604: commits under an assignment that was lost unheard", {
    copy: (hands) => new UnheardLoss(hands),
    found: ["COMMIT_WENT_BACK"],
    conditions: { records: 12, partitions: 3, processes: 2, effectErrorRate: 0, runs: 400 },
  });
});
