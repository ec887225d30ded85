import type { TopicPartition, TopicPartitionOffset } from "../../client/port.js";
import { partitionKey } from "../../partition-key.js";
import type { BufferedRun } from "../fetched-chunk.js";
import { ViewChunk } from "./view-chunk.js";

/** What of one partition was read and not taken. */
interface Lane {
  readonly place: TopicPartition;
  runs: BufferedRun[];
  buffered: number;
  /** By whoever takes its records. */
  paused: boolean;
  /** So much waits that nothing more is read, until half of it is taken. */
  full: boolean;
  /** Everything below was read; not told yet. */
  end: number | undefined;
  /** The client reads the partition. */
  begun: boolean;
  /** What the client was told. */
  stopped: boolean;
}

/** Partitions whose reading is to stop and to go on. */
export interface Steps {
  readonly pause: readonly TopicPartition[];
  readonly resume: readonly TopicPartition[];
}

/** What a shared client has read for one of its users, per partition, in order and bounded. */
export class ViewBuffer {
  readonly #limit: number;
  readonly #lanes = new Map<string, Lane>();
  /** The partition to begin with, so that each has its turn. */
  #turn = 0;

  /** Reading of a partition stops when so many of its records wait. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get partitions(): readonly TopicPartition[] {
    return [...this.#lanes.values()].map(({ place }) => place);
  }

  /** Those that the client reads. */
  get reading(): readonly TopicPartition[] {
    return [...this.#lanes.values()].filter(({ begun }) => begun).map(({ place }) => place);
  }

  /** Those of `partitions` that the client was told to pause. */
  stopped(partitions: readonly TopicPartition[]): readonly TopicPartition[] {
    return partitions.filter((each) => this.#lanes.get(partitionKey(each))?.stopped);
  }

  get buffered(): number {
    let buffered = 0;
    for (const lane of this.#lanes.values()) buffered += lane.buffered;
    return buffered;
  }

  open(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) {
      const place = { topic, partition };
      const lane: Lane = {
        ...{ place, runs: [], buffered: 0, end: undefined },
        ...{ paused: false, full: false, begun: false, stopped: false },
      };
      this.#lanes.set(partitionKey(place), lane);
    }
  }

  /** The client reads them from now on. */
  begin(partitions: readonly TopicPartition[]): void {
    for (const each of partitions) {
      const lane = this.#lanes.get(partitionKey(each));
      if (lane) lane.begun = true;
    }
  }

  add(run: BufferedRun): void {
    const lane = this.#lanes.get(partitionKey(run));
    if (!lane?.begun) return run.fetched.runDone();
    lane.runs.push(run);
    lane.buffered += run.to - run.from;
    if (lane.buffered >= this.#limit) lane.full = true;
  }

  reachEnd(end: TopicPartitionOffset): void {
    const lane = this.#lanes.get(partitionKey(end));
    if (lane?.begun) lane.end = end.offset;
  }

  /** Up to so many records, of each partition that is not paused in turn. */
  take(maxRecords: number): ViewChunk | undefined {
    const lanes = [...this.#lanes.values()];
    const taken: BufferedRun[] = [];
    let room = maxRecords;
    this.#turn = lanes.length === 0 ? 0 : (this.#turn + 1) % lanes.length;
    for (let step = 0; step < lanes.length && room > 0; step++) {
      const lane = lanes[(this.#turn + step) % lanes.length] as Lane;
      for (let run = this.#next(lane, room); run; run = this.#next(lane, room)) {
        taken.push(run);
        room -= run.to - run.from;
      }
    }
    return taken.length > 0 ? new ViewChunk(taken) : undefined;
  }

  #next(lane: Lane, room: number): BufferedRun | undefined {
    const first = lane.runs[0];
    if (!first || lane.paused || room <= 0) return undefined;
    const count = Math.min(first.to - first.from, room);
    lane.buffered -= count;
    if (lane.buffered <= this.#limit / 2) lane.full = false;
    if (count === first.to - first.from) {
      lane.runs.shift();
      return first;
    }
    const to = first.from + count;
    lane.runs[0] = { ...first, from: to };
    first.fetched.split();
    return { ...first, to, lastOffset: first.fetched.chunk.offset(to - 1) };
  }

  /** The ends whose records have all been taken. */
  takeEnds(): readonly TopicPartitionOffset[] {
    const ends: TopicPartitionOffset[] = [];
    for (const lane of this.#lanes.values()) {
      const [first] = lane.runs;
      if (lane.end === undefined || (first && first.fetched.chunk.offset(first.from) < lane.end)) continue;
      ends.push({ ...lane.place, offset: lane.end });
      lane.end = undefined;
    }
    return ends;
  }

  setPaused(partitions: readonly TopicPartition[], paused: boolean): void {
    for (const each of partitions) {
      const lane = this.#lanes.get(partitionKey(each));
      if (lane) lane.paused = paused;
    }
  }

  /** What the client has to be told since the last call. */
  steps(): Steps {
    const pause: TopicPartition[] = [];
    const resume: TopicPartition[] = [];
    for (const lane of this.#lanes.values()) {
      const stop = lane.paused || lane.full;
      if (!lane.begun || lane.stopped === stop) continue;
      lane.stopped = stop;
      (stop ? pause : resume).push(lane.place);
    }
    return { pause, resume };
  }

  /** They are about to be read anew: nothing that comes before `begin` is of any use. */
  renew(partitions: readonly TopicPartition[]): void {
    this.drop(partitions);
    for (const each of partitions) {
      const lane = this.#lanes.get(partitionKey(each));
      if (lane) lane.begun = false;
    }
  }

  close(partitions: readonly TopicPartition[]): void {
    this.drop(partitions);
    for (const each of partitions) this.#lanes.delete(partitionKey(each));
  }

  /** Forgets what waits. */
  drop(partitions: readonly TopicPartition[]): void {
    for (const each of partitions) {
      const lane = this.#lanes.get(partitionKey(each));
      if (!lane) continue;
      for (const run of lane.runs) run.fetched.runDone();
      lane.runs = [];
      lane.buffered = 0;
      lane.full = false;
      lane.end = undefined;
    }
  }
}
