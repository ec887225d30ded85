import { publishedLoss } from "./support/published-loss.js";
import { type Task, TrackingConsumer } from "./support/tracking-consumer.js";

/**
 * A rebalance ended the stream of a partition with what it had taken, but records that had been fetched beyond that stayed
 * behind. When the partition came back in the next rebalance they were the first that its new stream was given, though its
 * position was set back to the committed one; the commit of such a record went over all between the two.
 */
class LeftBehind extends TrackingConsumer {
  #kept: readonly Task[] = [];

  protected override drop(partitions: readonly number[]): readonly Task[] {
    const [first, ...beyond] = super.drop(partitions);
    this.#kept = [...this.#kept, ...beyond];
    return first ? [first] : [];
  }

  override onAssign(partitions: readonly number[]): void {
    void super.onAssign(partitions);
    const back = this.#kept.filter(({ read }) => partitions.includes(read.partition));
    this.#kept = this.#kept.filter((task) => !back.includes(task));
    this.onRead(back.map(({ read }) => read));
  }

  override async onRevoke(partitions: readonly number[]): Promise<void> {
    for (const task of this.drop(partitions)) this.enqueue(task);
    await super.onRevoke(partitions);
  }
}

describe("fs2-kafka", () => {
  publishedLoss("fs2 #1051: records of the last assignment but one delivered first", {
    copy: (hands) => new LeftBehind(hands, 1),
    found: ["LOST", "UNSAFE_COMMIT"],
    conditions: { records: 12, processes: 2 },
  });
});
