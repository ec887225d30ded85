import type { TopicPartition, TopicPartitionOffset } from "../port.js";
import { partitionKey, partitionOf } from "../partition-key.js";
import type { NativeConsumer } from "./native.js";

/**
 * Ends of partitions as the client meets them. node-rdkafka reports them when the call of `consume` is over that met them,
 * and rebalances are served while it runs: 1. an end is met; 2. the partition is revoked and assigned again, and begins
 * further back; 3. the end is reported, and all below it would count as read under the new assignment. So the end of a
 * partition that was assigned during the call is not passed on. A pause and a resume make the client meet it again.
 */
export class PartitionEnds {
  readonly #native: Pick<NativeConsumer, "pause" | "resume">;
  /** Since the running call of `consume` began. */
  readonly #assigned = new Set<string>();
  readonly #doubted = new Map<string, TopicPartition>();
  readonly #paused = new Set<string>();

  constructor(native: Pick<NativeConsumer, "on" | "pause" | "resume">, onEnd: (end: TopicPartitionOffset) => void) {
    this.#native = native;
    native.on("partition.eof", ({ topic, partition, offset }) => {
      const end = { topic, partition, offset };
      const key = partitionKey(end);
      if (this.#assigned.has(key)) this.#doubted.set(key, partitionOf(end));
      else onEnd(end);
    });
  }

  /** The client is given these. */
  assigned(partitions: readonly TopicPartition[]): void {
    for (const each of partitions) this.#assigned.add(partitionKey(each));
  }

  /** A resume makes the client meet ends again, whenever it comes. */
  setPaused(call: "pause" | "resume", partitions: readonly TopicPartition[]): void {
    for (const each of partitions) {
      if (call === "pause") this.#paused.add(partitionKey(each));
      else this.#paused.delete(partitionKey(each));
    }
  }

  /** A call of `consume` begins, and none runs. */
  begin(): void {
    this.#assigned.clear();
    for (const [key, partition] of this.#doubted) if (!this.#paused.has(key)) this.#meetAgain(partition);
    this.#doubted.clear();
  }

  #meetAgain(partition: TopicPartition): void {
    try {
      this.#native.pause([partition]);
      this.#native.resume([partition]);
    } catch {
      // It was revoked meanwhile, or the client closes: then its end is of no use.
    }
  }
}
