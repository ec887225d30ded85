import type { TopicPartition } from "../../client/port.js";
import { partitionKey } from "../../client/partition-key.js";

/** What the user has paused, by name: it stays paused when the partition goes and comes back. */
export class UserPauses {
  #all = false;
  /** Those for which the opposite holds. */
  readonly #exceptions = new Map<string, TopicPartition>();

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
    for (const each of partitions) {
      if (paused === this.#all) this.#exceptions.delete(partitionKey(each));
      else this.#exceptions.set(partitionKey(each), each);
    }
  }

  /** Pauses the same of another consumer, which has no pauses yet. */
  repeatAt(other: {
    pause(partitions?: readonly TopicPartition[]): void;
    resume(partitions: readonly TopicPartition[]): void;
  }): void {
    const exceptions = [...this.#exceptions.values()];
    if (this.#all) {
      other.pause();
      other.resume(exceptions);
    } else other.pause(exceptions);
  }
}
