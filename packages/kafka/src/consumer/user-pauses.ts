import type { TopicPartition } from "../client/port.js";
import { partitionKey } from "../partition-key.js";

/** What the user has paused, by name: it stays paused when the partition goes and comes back. */
export class UserPauses {
  #all = false;
  /** Those for which the opposite holds. */
  readonly #exceptions = new Set<string>();

  /** By the partition's key, for this is asked at every read and every delivery. */
  has(key: string): boolean {
    return this.#all !== this.#exceptions.has(key);
  }

  /** Without partitions: all, also those that come later. */
  set(paused: boolean, partitions: readonly TopicPartition[] | undefined): void {
    if (partitions === undefined) {
      this.#all = paused;
      this.#exceptions.clear();
      return;
    }
    for (const key of partitions.map(partitionKey)) {
      if (paused === this.#all) this.#exceptions.delete(key);
      else this.#exceptions.add(key);
    }
  }
}
