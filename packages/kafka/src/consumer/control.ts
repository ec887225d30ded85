import type { TopicPartition, TopicPartitionOffset } from "../client/port.js";
import type { Health } from "./recovery/health.js";
import type { ConsumerMetrics, PartitionLag } from "./commands.js";
import type { DrainOptions } from "./drain.js";
import type { DrainReport } from "./drain-report.js";
import type { ConsumerExplanation } from "./explanation.js";
import type { PartitionReport } from "./partitions/partition-report.js";

/** Steers a running Kafka source; its materialised value. */
export interface Control {
  /** All Kafka sources of this one's run; `DrainingControl` steers those. Absent: this one is all there is. */
  readonly ofRun?: ControlOfRun;
  /** Completes the source's outlet and delivers nothing more; the client stays, so that commits go on. Idempotent. */
  stop(): Promise<void>;
  /** Stops, commits what is finished, leaves the group and closes the client. Idempotent. */
  shutdown(): Promise<void>;
  /**
   * Stops all Kafka sources of the run, waits for `streamCompletion` and for every other sink of the run, shuts down all;
   * resolves with what became of every record (I8). Rejects with the first failure of any sink, after closing all the same,
   * and with `DRAIN_INCOMPLETE`, which carries the report, when records were not finished in time or could not be committed.
   */
  drainAndShutdown<T>(streamCompletion: Promise<T>, options?: DrainOptions): Promise<DrainReport<T>>;
  /** Resolves when the client is closed, rejects when closing failed. */
  readonly isShutdown: Promise<void>;
  /** What the consumer waits for now: per partition the record that holds back the commit, its age, and where it is. */
  explain(): ConsumerExplanation;
  /** Whether it works, for the probes of a supervisor, and what keeps it from that. */
  health(): Health;
  /** What became of the records so far. */
  report(): readonly PartitionReport[];
  /**
   * Delivers nothing more of these partitions, or of all, also of those assigned later, until `resume`. What was delivered
   * goes on. It is kept when a partition goes and comes back, and has nothing to do with backpressure.
   */
  pause(partitions?: readonly TopicPartition[]): void;
  /** Ends `pause` for these partitions, or for all. */
  resume(partitions?: readonly TopicPartition[]): void;
  /**
   * Reads assigned partitions on from these offsets. Waits, for `revokeTimeoutMs` at most, until what is in flight of them
   * is finished and committed; then a new epoch begins. Nothing is committed for the jump itself. Rejects with
   * `SEEK_FAILED` where a partition is not assigned or its records were not finished in time, and then has not moved it.
   */
  seek(positions: readonly TopicPartitionOffset[]): Promise<void>;
  /**
   * `seek` to the first record that is not older than the timestamp, in milliseconds since the epoch, of these partitions,
   * or of all that are assigned; one without such a record is left where it is. Resolves with the offsets.
   */
  replayFrom(timestamp: number, partitions?: readonly TopicPartition[]): Promise<readonly TopicPartitionOffset[]>;
  /** The partitions assigned now. */
  assignment(): readonly TopicPartition[];
  /** How far behind the ends of its partitions the consumer is, as the broker knows them now. */
  lag(): Promise<readonly PartitionLag[]>;
  /** Counts so far; delivered records and those in flight, commits, polls and rebalances. */
  metrics(): ConsumerMetrics;
}

/** All Kafka sources of one run, steered as one: also those whose own controls were dropped on the way. */
export interface ControlOfRun extends Control {
  /**
   * Settles with `completion` once every sink of the run has ended, those of side branches included; rejects with the
   * first failure of any of them.
   */
  untilEnded<T>(completion: Promise<T>): Promise<T>;
}

/**
 * A `Control` joined with the end of its stream: `toMat(committerSink(), DrainingControl.from)`. It steers all Kafka sources
 * of the run, as those of `a.merge(b)`; to steer one of them keep its own control, as by `mergeMat`.
 */
export class DrainingControl<T> {
  readonly #control: Control;
  /** Settles once every sink of the run has ended, side branches included; rejects with the first failure of any. */
  readonly streamCompletion: Promise<T>;

  private constructor(control: Control, streamCompletion: Promise<T>) {
    this.#control = control.ofRun ?? control;
    this.streamCompletion = control.ofRun?.untilEnded(streamCompletion) ?? streamCompletion;
  }

  static from<T>(this: void, control: Control, streamCompletion: Promise<T>): DrainingControl<T> {
    return new DrainingControl(control, streamCompletion);
  }

  /** Stops reading; see `Control.stop`. */
  stop(): Promise<void> {
    return this.#control.stop();
  }

  /**
   * Stops reading, lets everything in flight finish and be committed, leaves the group and closes the client. Resolves
   * with what became of every record; rejects as `Control.drainAndShutdown` does.
   */
  drainAndShutdown(options?: DrainOptions): Promise<DrainReport<T>> {
    return this.#control.drainAndShutdown(this.streamCompletion, options);
  }

  /** See `Control.explain`. */
  explain(): ConsumerExplanation {
    return this.#control.explain();
  }

  /** See `Control.health`. */
  health(): Health {
    return this.#control.health();
  }

  /** See `Control.report`. */
  report(): readonly PartitionReport[] {
    return this.#control.report();
  }

  /** See `Control.pause`. */
  pause(partitions?: readonly TopicPartition[]): void {
    this.#control.pause(partitions);
  }

  /** See `Control.resume`. */
  resume(partitions?: readonly TopicPartition[]): void {
    this.#control.resume(partitions);
  }

  /** See `Control.seek`. */
  seek(positions: readonly TopicPartitionOffset[]): Promise<void> {
    return this.#control.seek(positions);
  }

  /** See `Control.replayFrom`. */
  replayFrom(timestamp: number, partitions?: readonly TopicPartition[]): Promise<readonly TopicPartitionOffset[]> {
    return this.#control.replayFrom(timestamp, partitions);
  }

  /** See `Control.assignment`. */
  assignment(): readonly TopicPartition[] {
    return this.#control.assignment();
  }

  /** See `Control.lag`. */
  lag(): Promise<readonly PartitionLag[]> {
    return this.#control.lag();
  }

  /** See `Control.metrics`. */
  metrics(): ConsumerMetrics {
    return this.#control.metrics();
  }

  /** Settles once the stream has ended and the client is closed; rejects with the stream's failure, or that of closing. */
  get isShutdown(): Promise<void> {
    return this.#end();
  }

  async #end(): Promise<void> {
    const [, closed] = await Promise.allSettled([this.streamCompletion, this.#control.isShutdown]);
    await this.streamCompletion;
    if (closed.status === "rejected") throw closed.reason;
  }
}
