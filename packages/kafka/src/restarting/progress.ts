import type { TopicPartitionOffset } from "../client/port.js";
import { partitionKey } from "../client/partition-key.js";
import type { ConsumerExplanation } from "../consumer/explanation.js";
import type { PartitionReport } from "../consumer/partitions/partition-report.js";

/** The oldest record that was not finished, of each partition where there was one. */
export const unfinishedIn = ({ partitions }: ConsumerExplanation): readonly TopicPartitionOffset[] =>
  partitions.flatMap(({ topic, partition, blockedBy }) =>
    blockedBy ? [{ topic, partition, offset: blockedBy.offset }] : [],
  );

/** What has been committed so far, over all runs. */
export class Progress {
  readonly #committed = new Map<string, number>();

  /** Whether this run got further than all before it. */
  advances(report: readonly PartitionReport[]): boolean {
    let advanced = false;
    for (const each of report) {
      const key = partitionKey(each);
      const { committed } = each;
      if (committed === undefined || committed <= (this.#committed.get(key) ?? -1)) continue;
      this.#committed.set(key, committed);
      advanced = true;
    }
    return advanced;
  }
}
