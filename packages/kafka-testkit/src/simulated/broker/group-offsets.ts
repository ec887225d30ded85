import type { TopicPartition, TopicPartitionOffset } from "@millrace/kafka";
import { keyOf } from "./topics.js";

/** The committed positions of a group, and those that wait for the end of their transaction. */
export class GroupOffsets {
  readonly #committed = new Map<string, TopicPartitionOffset>();
  readonly #held = new Map<object, Map<string, TopicPartitionOffset>>();
  /** Answered instead of what is stored. */
  #answered: ReadonlyMap<string, TopicPartitionOffset> | undefined;

  get(partition: TopicPartition): TopicPartitionOffset | undefined {
    const key = keyOf(partition);
    return this.#answered?.get(key) ?? this.#committed.get(key);
  }

  /** Answers these positions instead of the stored ones; undefined ends it. */
  answerInstead(positions: readonly TopicPartitionOffset[] | undefined): void {
    this.#answered = positions && new Map(positions.map((each) => [keyOf(each), each]));
  }

  get all(): readonly TopicPartitionOffset[] {
    return [...this.#committed.values()];
  }

  /** Whether no open transaction holds a position of it: until then no reader may start from what is committed. */
  isStable(partition: TopicPartition): boolean {
    if (this.#held.size === 0) return true;
    return ![...this.#held.values()].some((positions) => positions.has(keyOf(partition)));
  }

  /** The topic is deleted. */
  forget(topic: string): void {
    for (const held of [this.#committed, ...this.#held.values()]) {
      for (const [key, position] of held) if (position.topic === topic) held.delete(key);
    }
  }

  store(positions: readonly TopicPartitionOffset[]): void {
    for (const { topic, partition, offset, metadata } of positions) {
      this.#committed.set(
        keyOf({ topic, partition }),
        metadata === undefined ? { topic, partition, offset } : { topic, partition, offset, metadata },
      );
    }
  }

  hold(transaction: object, positions: readonly TopicPartitionOffset[]): void {
    let held = this.#held.get(transaction);
    if (!held) this.#held.set(transaction, (held = new Map<string, TopicPartitionOffset>()));
    for (const position of positions) held.set(keyOf(position), position);
  }

  settle(transaction: object, outcome: "commit" | "abort"): void {
    const held = this.#held.get(transaction);
    this.#held.delete(transaction);
    if (held && outcome === "commit") this.store([...held.values()]);
  }
}
