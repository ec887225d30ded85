import type { TopicPartition, TopicPartitionOffset } from "../../client/port.js";
import { partitionKey, partitionOf } from "../../client/partition-key.js";
import { BufferedRuns } from "../partitions/buffered-runs.js";
import type { BufferedRun } from "../partitions/fetched-chunk.js";
import { ViewChunk } from "./view-chunk.js";

/** Records of one partition that were read and not taken. */
interface Lane {
  readonly partition: TopicPartition;
  readonly waiting: BufferedRuns;
  /** Bytes that the source has taken, and has not delivered or dropped. */
  takenBytes: number;
  /** By the source that takes its records. */
  paused: boolean;
  /** So much waits that nothing more is read, until half of it is taken. */
  full: boolean;
  /** Everything below was read; not reported yet. */
  end: number | undefined;
  /** The client reads the partition. */
  begun: boolean;
  /** The client was asked to pause it. */
  stopped: boolean;
}

const bytesOf = ({ waiting, takenBytes }: Lane): number => waiting.bytes + takenBytes;

/** Partitions whose reading is to stop and to go on. */
export interface Steps {
  readonly pause: readonly TopicPartition[];
  readonly resume: readonly TopicPartition[];
}

/** What a shared client has read for one of its users, per partition, in order and bounded. */
export class ViewBuffer {
  readonly #limit: number;
  readonly #byteLimit: () => number;
  readonly #lanes = new Map<string, Lane>();
  /** The partition to begin with, so that each has its turn. */
  #turn = 0;

  /** Reading of a partition stops when `limit` of its records wait, or `byteLimit` bytes. */
  constructor(limit: number, byteLimit: () => number) {
    this.#limit = limit;
    this.#byteLimit = byteLimit;
  }

  get partitions(): readonly TopicPartition[] {
    return [...this.#lanes.values()].map(({ partition }) => partition);
  }

  /** Those that the client reads. */
  get reading(): readonly TopicPartition[] {
    return [...this.#lanes.values()].filter(({ begun }) => begun).map(({ partition }) => partition);
  }

  /** Those of `partitions` that the client was asked to pause. */
  stopped(partitions: readonly TopicPartition[]): readonly TopicPartition[] {
    return partitions.filter((each) => this.#lanes.get(partitionKey(each))?.stopped);
  }

  get buffered(): number {
    let buffered = 0;
    for (const lane of this.#lanes.values()) buffered += lane.waiting.records;
    return buffered;
  }

  /** Also of what its user has taken and not delivered yet. */
  get bufferedBytes(): number {
    let bytes = 0;
    for (const lane of this.#lanes.values()) bytes += bytesOf(lane);
    return bytes;
  }

  /** Of the partition that has most of those that are read on. */
  get mostBytes(): number {
    let most = 0;
    for (const lane of this.#lanes.values()) if (!lane.full && !lane.paused) most = Math.max(most, bytesOf(lane));
    return most;
  }

  open(partitions: readonly TopicPartition[]): void {
    for (const each of partitions) {
      const partition = partitionOf(each);
      const lane: Lane = {
        ...{ partition, waiting: new BufferedRuns(), takenBytes: 0, end: undefined },
        ...{ paused: false, full: false, begun: false, stopped: false },
      };
      this.#lanes.set(partitionKey(partition), lane);
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
    if (!lane?.begun) return run.fetched.done(run);
    lane.waiting.add(run);
    this.#measure(lane);
  }

  reachEnd(end: TopicPartitionOffset): void {
    const lane = this.#lanes.get(partitionKey(end));
    if (lane?.begun) lane.end = end.offset;
  }

  /** Up to `maxRecords` records, of each partition that is not paused in turn. */
  take(maxRecords: number): ViewChunk | undefined {
    const lanes = [...this.#lanes.values()];
    const taken: BufferedRun[] = [];
    const from: Lane[] = [];
    let room = maxRecords;
    this.#turn = lanes.length === 0 ? 0 : (this.#turn + 1) % lanes.length;
    for (let step = 0; step < lanes.length && room > 0; step++) {
      const lane = lanes[(this.#turn + step) % lanes.length] as Lane;
      for (let run = this.#next(lane, room); run; run = this.#next(lane, room)) {
        taken.push(run);
        from.push(lane);
        room -= run.to - run.from;
      }
    }
    if (taken.length === 0) return undefined;
    return new ViewChunk(taken, (part, bytes) => {
      const lane = from[part] as Lane;
      lane.takenBytes -= bytes;
      this.#measure(lane);
    });
  }

  #next(lane: Lane, room: number): BufferedRun | undefined {
    if (lane.paused) return undefined;
    const run = lane.waiting.take(room);
    lane.takenBytes += run?.bytes ?? 0;
    this.#measure(lane);
    return run;
  }

  #measure(lane: Lane): void {
    const { records } = lane.waiting;
    const bytes = bytesOf(lane);
    const limit = this.#limit;
    const byteLimit = this.#byteLimit();
    lane.full = lane.full ? records > limit / 2 || bytes > byteLimit / 2 : records >= limit || bytes >= byteLimit;
  }

  /** The ends whose records have all been taken. */
  takeEnds(): readonly TopicPartitionOffset[] {
    const ends: TopicPartitionOffset[] = [];
    for (const lane of this.#lanes.values()) {
      const { first } = lane.waiting;
      if (lane.end === undefined || (first && first.fetched.chunk.offset(first.from) < lane.end)) continue;
      ends.push({ ...lane.partition, offset: lane.end });
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

  /** What the client has to pause and resume since the last call. */
  steps(): Steps {
    const pause: TopicPartition[] = [];
    const resume: TopicPartition[] = [];
    for (const lane of this.#lanes.values()) {
      const stop = lane.paused || lane.full;
      if (!lane.begun || lane.stopped === stop) continue;
      lane.stopped = stop;
      (stop ? pause : resume).push(lane.partition);
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

  /** Drops what waits. */
  drop(partitions: readonly TopicPartition[]): void {
    for (const each of partitions) {
      const lane = this.#lanes.get(partitionKey(each));
      if (!lane) continue;
      lane.waiting.drop();
      lane.full = false;
      this.#measure(lane);
      lane.end = undefined;
    }
  }
}
