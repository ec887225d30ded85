import type { TopicPartition } from "@millrace/kafka";
import type { GroupCoordinator } from "./group-coordinator.js";
import { CODE, type Simulation } from "./simulation.js";
import { keyOf, type StoredRecord, type Topics } from "./topics.js";

export type StartOffset = number | "beginning" | "end" | undefined;

interface Reading {
  readonly topic: string;
  readonly partition: number;
  position: number;
}

/** Where a consumer reads: its partitions, the next offset of each, and which are paused. */
export class ReadPositions {
  readonly #simulation: Simulation;
  readonly #topics: Topics;
  readonly #coordinator: GroupCoordinator;
  readonly #reset: string;
  readonly #readings = new Map<string, Reading>();
  /** What was ever read here: the client remembers a pause of it also while others own it, and when it comes back. */
  readonly #known = new Set<string>();
  readonly #paused = new Set<string>();
  /** Given up since the running poll began: its chunk must hold nothing of them, even if they came back. */
  readonly #givenUp = new Set<string>();
  /** Partitions without any position, of which the consumer is to be told. */
  readonly #lost: TopicPartition[] = [];

  constructor(simulation: Simulation, topics: Topics, coordinator: GroupCoordinator, reset: string) {
    this.#simulation = simulation;
    this.#topics = topics;
    this.#coordinator = coordinator;
    this.#reset = reset;
  }

  beginPoll(): void {
    this.#givenUp.clear();
  }

  take(partitions: readonly (TopicPartition & { readonly offset?: StartOffset })[]): void {
    for (const { topic, partition, offset } of partitions) {
      const position = this.#start({ topic, partition }, offset);
      if (position === undefined) this.#lost.push({ topic, partition });
      else this.#readings.set(keyOf({ topic, partition }), { topic, partition, position });
      this.#known.add(keyOf({ topic, partition }));
    }
  }

  /** Another assignment by hand takes the place of this one. */
  clear(): void {
    this.giveUp([...this.#readings.values()]);
  }

  giveUp(partitions: readonly TopicPartition[]): void {
    for (const each of partitions) {
      this.#readings.delete(keyOf(each));
      this.#givenUp.add(keyOf(each));
    }
  }

  /** What was never read here is left alone. */
  setPaused(partitions: readonly TopicPartition[], paused: boolean): void {
    for (const key of partitions.map(keyOf)) {
      if (paused && this.#known.has(key)) this.#paused.add(key);
      if (!paused) this.#paused.delete(key);
    }
  }

  /** The error of a partition that has no position to start from. */
  takeError(): Error | undefined {
    const partition = this.#lost.shift();
    if (!partition) return undefined;
    return this.#simulation.error(
      "POLL_FAILED",
      `There is no committed position for ${keyOf(partition)}, and auto.offset.reset is \`error\`. Commit one, or set it to \`earliest\` or \`latest\`.`,
      CODE.noOffset,
    );
  }

  /** Some of what there is, beginning with a partition that is drawn. */
  fetch(maxRecords: number): readonly StoredRecord[] {
    const ready = [...this.#readings.values()].filter((reading) => this.#hasRecords(reading));
    if (ready.length === 0) return [];
    const first = this.#simulation.random.int(0, ready.length - 1);
    const fetched: StoredRecord[] = [];
    for (let turn = 0; turn < ready.length && fetched.length < maxRecords; turn++) {
      const reading = ready[(first + turn) % ready.length] as Reading;
      const count = this.#simulation.random.int(1, maxRecords - fetched.length);
      const records = this.#log(reading).slice(reading.position, reading.position + count);
      reading.position += records.length;
      fetched.push(...records);
    }
    return fetched;
  }

  #hasRecords(reading: Reading): boolean {
    const key = keyOf(reading);
    return !this.#paused.has(key) && !this.#givenUp.has(key) && reading.position < this.#log(reading).length;
  }

  #log({ topic, partition }: TopicPartition): readonly StoredRecord[] {
    return this.#topics.log(topic, partition) ?? [];
  }

  #start(partition: TopicPartition, offset: StartOffset): number | undefined {
    const end = this.#log(partition).length;
    if (offset === "beginning") return 0;
    if (offset === "end") return end;
    const wanted = offset ?? this.#coordinator.committed(partition)?.offset;
    // Beyond the end is out of range, where the reset applies as well.
    if (wanted !== undefined && wanted <= end) return wanted;
    if (this.#reset === "error") return undefined;
    return ["earliest", "smallest", "beginning"].includes(this.#reset) ? 0 : end;
  }
}
