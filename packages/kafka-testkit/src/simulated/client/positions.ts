import type { StartPosition, TopicPartition, TopicPartitionOffset, Watermarks } from "@millrace/kafka";
import type { GroupOffsets } from "../broker/group-offsets.js";
import type { Isolation, PartitionLog, StoredRecord } from "../broker/log.js";
import { CODE, type Simulation } from "../simulation.js";
import { keyOf, type Topics } from "../broker/topics.js";

export type StartOffset = StartPosition["offset"] | undefined;

interface Reading {
  readonly topic: string;
  readonly partition: number;
  /** Absent while it is not known where to start. */
  position: number | undefined;
  /** As it was when it was last looked at. */
  fetched?: Watermarks;
  /** It is no longer fetched, and no error reports that. */
  hung?: Cure;
  /** The end reported last: it is reported again only when something was read in between. */
  reportedEnd?: number | undefined;
}

export interface PositionsOptions {
  readonly simulation: Simulation;
  readonly topics: Topics;
  readonly offsets: GroupOffsets;
  /** `auto.offset.reset` */
  readonly reset: string;
  readonly isolation: Isolation;
  /** Everything below was read, and there is nothing more now. */
  readonly onEnd: (end: TopicPartitionOffset) => void;
  readonly onRemade: (topic: string) => void;
}

/** What gets a hung partition fetched again; anything stronger does so as well. */
export type Cure = "seek" | "reassign" | "renew";

/** Where a consumer reads: its partitions, the next offset of each, and which are paused. */
export class Positions {
  readonly #options: PositionsOptions;
  readonly #readings = new Map<string, Reading>();
  /** What was ever read here: the client remembers a pause of it also while others own it, and when it comes back. */
  readonly #known = new Set<string>();
  readonly #paused = new Set<string>();
  /** Given up since the running poll began: its chunk must hold nothing of them, even if they came back. */
  readonly #givenUp = new Set<string>();
  /** Hung for as long as the client lives. */
  readonly #incurable = new Set<string>();
  /** Partitions without any position, to be reported to the consumer. */
  readonly #adrift: TopicPartition[] = [];
  /** Which topic each name stood for when it was looked at last. */
  readonly #ids = new Map<string, number | undefined>();

  constructor(options: PositionsOptions) {
    this.#options = options;
  }

  beginPoll(): void {
    this.#givenUp.clear();
  }

  take(partitions: readonly (TopicPartition & { readonly offset?: StartOffset })[]): void {
    for (const { topic, partition, offset } of partitions) {
      const reading: Reading = { topic, partition, position: undefined };
      if (this.#incurable.has(keyOf(reading))) reading.hung = "renew";
      this.#readings.set(keyOf(reading), reading);
      this.#known.add(keyOf(reading));
      const log = this.#log(reading);
      if (log) this.#start(reading, log, offset);
    }
  }

  /** Answers whether it is read here. */
  hang(partition: TopicPartition, cure: Cure): boolean {
    const reading = this.#readings.get(keyOf(partition));
    if (reading) reading.hung = cure;
    return reading !== undefined;
  }

  fetchedWatermarks(partition: TopicPartition): Watermarks | undefined {
    return this.#readings.get(keyOf(partition))?.fetched;
  }

  /** Another assignment by hand replaces this one. */
  clear(): void {
    this.giveUp([...this.#readings.values()]);
  }

  giveUp(partitions: readonly TopicPartition[]): void {
    for (const each of partitions) {
      if (this.#readings.get(keyOf(each))?.hung === "renew") this.#incurable.add(keyOf(each));
      this.#readings.delete(keyOf(each));
      this.#givenUp.add(keyOf(each));
    }
  }

  /** Answers those that are not read here. */
  seek(positions: readonly TopicPartitionOffset[]): readonly TopicPartition[] {
    return positions.filter((each) => {
      const reading = this.#readings.get(keyOf(each));
      const log = this.#log(each);
      if (!reading || !log) return true;
      reading.reportedEnd = undefined;
      if (reading.hung === "seek") delete reading.hung;
      this.#start(reading, log, each.offset);
      return false;
    });
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
    const partition = this.#adrift.shift();
    if (!partition) return undefined;
    return this.#options.simulation.error(
      "POLL_FAILED",
      `There is no valid position for ${keyOf(partition)}, and auto.offset.reset is \`error\`. Commit one, or set it to \`earliest\` or \`latest\`.`,
      CODE.noOffset,
    );
  }

  /** Some of what there is, beginning with a partition that is drawn. */
  fetch(maxRecords: number): readonly StoredRecord[] {
    const { random } = this.#options.simulation;
    this.#lookAtTopics();
    const ready = [...this.#readings.values()].filter((reading) => this.#advance(reading));
    if (ready.length === 0) return [];
    const first = random.int(0, ready.length - 1);
    const fetched: StoredRecord[] = [];
    for (let turn = 0; turn < ready.length && fetched.length < maxRecords; turn++) {
      const reading = ready[(first + turn) % ready.length] as Reading;
      const count = random.int(1, maxRecords - fetched.length);
      const records = this.#log(reading)?.read(reading.position as number, count, this.#options.isolation) ?? [];
      const last = records.at(-1);
      if (last) reading.position = last.offset + 1;
      fetched.push(...records);
    }
    return fetched;
  }

  #lookAtTopics(): void {
    const { topics, onRemade } = this.#options;
    for (const topic of new Set([...this.#readings.values()].map((reading) => reading.topic))) {
      const [before, now] = [this.#ids.get(topic), topics.idOf(topic)];
      this.#ids.set(topic, now);
      if (before === undefined || before === now) continue;
      for (const reading of this.#readings.values()) if (reading.topic === topic) this.#goOnIn(reading);
      onRemade(topic);
    }
  }

  /** At the offset where it was, if the new log reaches so far. */
  #goOnIn(reading: Reading): void {
    const log = this.#log(reading);
    reading.reportedEnd = undefined;
    if (log && reading.position !== undefined && reading.position > log.high) this.#reset(reading, log);
  }

  /** Moves over what cannot be read; answers whether a record follows. */
  #advance(reading: Reading): boolean {
    const { simulation, topics, isolation } = this.#options;
    const log = this.#log(reading);
    const key = keyOf(reading);
    if (!log || reading.hung || this.#paused.has(key) || this.#givenUp.has(key)) return false;
    if (simulation.outageLeftMs(topics.leaderOf(reading)) > 0) return false;
    if (reading.position === undefined) this.#start(reading, log, undefined);
    else if (reading.position < log.low) this.#reset(reading, log);
    if (reading.position === undefined) return false;
    reading.fetched = { low: log.low, high: log.high };
    reading.position = log.next(reading.position, isolation);
    if (reading.position < log.end(isolation)) return true;
    this.#reportEnd(reading, reading.position);
    return false;
  }

  #reportEnd(reading: Reading, offset: number): void {
    if (reading.reportedEnd === offset) return;
    reading.reportedEnd = offset;
    this.#options.onEnd({ topic: reading.topic, partition: reading.partition, offset });
  }

  #log(partition: TopicPartition): PartitionLog | undefined {
    return this.#options.topics.log(partition);
  }

  #start(reading: Reading, log: PartitionLog, offset: StartOffset): void {
    const { offsets, isolation } = this.#options;
    if (offset === "beginning") reading.position = log.low;
    else if (offset === "end") reading.position = log.end(isolation);
    else {
      // A transaction is about to decide it; who reads uncommitted records does not wait for that either.
      if (offset === undefined && isolation === "read_committed" && !offsets.isStable(reading)) return;
      reading.position = offset ?? offsets.get(reading)?.offset;
      const { position } = reading;
      // Out of range, where the reset applies as well.
      if (position === undefined || position > log.high || position < log.low) this.#reset(reading, log);
    }
  }

  #reset(reading: Reading, log: PartitionLog): void {
    const { reset, isolation, simulation } = this.#options;
    reading.position = undefined;
    if (reset === "error") {
      this.#readings.delete(keyOf(reading));
      this.#adrift.push({ topic: reading.topic, partition: reading.partition });
      return;
    }
    reading.position = ["earliest", "smallest", "beginning"].includes(reset) ? log.low : log.end(isolation);
    simulation.event(`${keyOf(reading)} is reset to ${reading.position}`);
  }
}
