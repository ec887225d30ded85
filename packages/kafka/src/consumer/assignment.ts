import type { TopicPartition } from "../client/port.js";
import { partitionKey } from "../partition-key.js";

/** Which partitions this consumer owns, and under which epoch: epochs grow with every assignment of a partition. */
export class Assignment {
  readonly #epochs = new Map<string, number>();
  readonly #owned = new Map<string, TopicPartition>();
  readonly #retired = new Set<string>();

  add(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) {
      const key = partitionKey({ topic, partition });
      this.#epochs.set(key, (this.#epochs.get(key) ?? 0) + 1);
      this.#owned.set(key, { topic, partition });
      this.#retired.delete(key);
    }
  }

  /** They are being given up: what was delivered of them may still be committed, nothing more is delivered. */
  retire(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.#retired.add(partitionKey(partition));
  }

  remove(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.#owned.delete(partitionKey(partition));
  }

  /** The epoch of an owned partition. */
  epoch(topic: string, partition: number): number | undefined {
    const key = partitionKey({ topic, partition });
    return this.#owned.has(key) ? this.#epochs.get(key) : undefined;
  }

  /** The epoch under which records that arrive now are delivered; none where they must not be. */
  deliveryEpoch(topic: string, partition: number): number | undefined {
    return this.#retired.has(partitionKey({ topic, partition })) ? undefined : this.epoch(topic, partition);
  }

  get partitions(): readonly TopicPartition[] {
    return [...this.#owned.values()];
  }
}
