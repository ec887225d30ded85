import type { PartitionRun, RecordChunk, TopicPartition } from "../client/port.js";
import { partitionKey } from "../partition-key.js";

/** A part of a fetched chunk that is still to be delivered: neighbouring records of one partition. */
export interface BufferedRun extends PartitionRun {
  readonly chunk: RecordChunk;
  /** Of the assignment under which it was fetched; one of a later assignment must not cover it. */
  readonly epoch: number;
}

/** Fetched chunks in order, as runs per partition, so that a revoked partition's records can be taken out again. */
export class RecordBuffer {
  #runs: BufferedRun[] = [];
  #records = 0;

  /** Records that wait. */
  get size(): number {
    return this.#records;
  }

  /** Adds what is of a partition with an epoch. */
  add(chunk: RecordChunk, epochOf: (topic: string, partition: number) => number | undefined): void {
    const before = this.#records;
    for (const run of chunk.runs()) {
      const epoch = epochOf(run.topic, run.partition);
      if (epoch === undefined) continue;
      this.#runs.push({ chunk, epoch, ...run });
      this.#records += run.to - run.from;
    }
    if (this.#records === before) chunk.release();
  }

  /** The runs of the oldest chunk. */
  take(): readonly BufferedRun[] {
    const first = this.#runs[0];
    if (!first) return [];
    let count = 1;
    while (this.#runs[count]?.chunk === first.chunk) count += 1;
    const runs = this.#runs.splice(0, count);
    for (const run of runs) this.#records -= run.to - run.from;
    return runs;
  }

  /** Forgets the records of these partitions and answers how many there were. */
  drop(partitions: readonly TopicPartition[]): number {
    const before = this.#records;
    const gone = new Set(partitions.map(partitionKey));
    this.#runs = this.#runs.filter((run) => {
      const dropped = gone.has(partitionKey(run));
      if (dropped) this.#records -= run.to - run.from;
      return !dropped;
    });
    return before - this.#records;
  }

  clear(): void {
    this.#runs = [];
    this.#records = 0;
  }
}
