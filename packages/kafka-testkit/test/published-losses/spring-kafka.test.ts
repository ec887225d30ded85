import type { Position, Read } from "./support/hand-made.js";
import { publishedLoss } from "./support/published-loss.js";
import { SerialConsumer } from "./support/serial-consumer.js";
import { type Tracker, TrackingConsumer } from "./support/tracking-consumer.js";

/**
 * A batch that fails is tried again with all partitions paused, and polls keep the consumer in its group meanwhile. A handler
 * around the handler did not pass on that partitions had been assigned, so new ones were not paused: the polls fetched their
 * records and threw them away, and later commits went over them.
 */
class UnpausedWhileRetrying extends SerialConsumer {
  override onRead(records: readonly Read[]): void {
    if (!this.retrying) super.onRead(records);
  }
}

/**
 * After a failure in a batch the error handler commits what was done before it and seeks back to what was not. When the
 * commit threw, the seek was never reached, and the next poll went on behind the batch.
 */
class NoSeekAfterFailedCommit extends SerialConsumer {
  protected override async handle(records: readonly Read[]): Promise<readonly Read[]> {
    let done = 0;
    try {
      for (; done < records.length; done++) await this.hands.world.effect(records[done]?.id ?? "");
      await this.commitAll(records);
      return [];
    } catch {
      try {
        await this.commitAll(records.slice(0, done));
      } catch {
        return [];
      }
      return records.slice(done);
    }
  }
}

/**
 * Offsets whose commit failed during a rebalance were saved, to be tried again. They were tried again when partitions were
 * revoked, after a later commit had succeeded: the position went back, and the next owner repeated what was between.
 */
class RetriesSavedOffsets extends TrackingConsumer {
  #saved: readonly Position[] = [];

  protected override async commitNow(trackers: readonly Tracker[]): Promise<void> {
    const positions = trackers.map((tracker) => this.positionOf(tracker));
    try {
      await super.commitNow(trackers);
    } catch (error) {
      this.#saved = positions;
      throw error;
    }
  }

  override async onRevoke(partitions: readonly number[]): Promise<void> {
    await super.onRevoke(partitions);
    const saved = this.#saved.filter(({ partition }) => partitions.includes(partition));
    if (!this.hands.closed) await this.hands.commit(saved).catch(() => undefined);
  }
}

describe("Spring Kafka", () => {
  publishedLoss("Spring #4545: what polls bring during a retry thrown away", {
    copy: (hands) => new UnpausedWhileRetrying(hands),
    found: ["LOST", "STUCK", "UNSAFE_COMMIT"],
    conditions: { records: 10, partitions: 3, processes: 2, effectErrorRate: 0.3 },
  });

  publishedLoss("Spring #3019: no seek where the commit before it fails", {
    copy: (hands) => new NoSeekAfterFailedCommit(hands),
    found: ["LOST", "STUCK", "UNSAFE_COMMIT"],
    conditions: { effectErrorRate: 0.3, faults: { commitErrorRate: 0.3 } },
  });

  publishedLoss("Spring #3186: saved offsets committed after later ones", {
    copy: (hands) => new RetriesSavedOffsets(hands),
    found: ["COMMIT_WENT_BACK"],
    conditions: { records: 10, processes: 2, faults: { commitErrorRate: 0.3 } },
  });
});
