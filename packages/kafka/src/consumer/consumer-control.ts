import type { Run } from "@millrace/streams/stage";
import type { TopicPartition, TopicPartitionOffset } from "../client/port.js";
import type { ConsumerSession } from "./consumer-session.js";
import { type Health, healthOf } from "./recovery/health.js";
import type { ConsumerMetrics, PartitionLag } from "./commands.js";
import type { Control } from "./control.js";
import type { DrainOptions } from "./drain.js";
import type { DrainReport } from "./drain-report.js";
import { type RunControl, runControlOf } from "./run-control.js";
import type { ConsumerExplanation } from "./explanation.js";
import type { PartitionReport } from "./partitions/partition-report.js";

/** The control of one consumer. */
export class ConsumerControl implements Control {
  readonly ofRun: RunControl;
  readonly #session: ConsumerSession;
  readonly #complete: () => void;
  #closed: (closing: Promise<void>) => void = () => undefined;
  readonly isShutdown: Promise<void>;

  constructor(session: ConsumerSession, run: Run, complete: () => void) {
    this.#session = session;
    this.#complete = complete;
    this.isShutdown = new Promise((resolve) => {
      this.#closed = resolve;
    });
    this.isShutdown.catch(() => undefined);
    this.ofRun = runControlOf(run);
    this.ofRun.add(this);
  }

  stop(): Promise<void> {
    this.#complete();
    return Promise.resolve();
  }

  async shutdown(): Promise<void> {
    await this.stop();
    const closing = this.#session.shutdown();
    this.#closed(closing);
    await closing;
  }

  /** See `ConsumerSession.letGo`. */
  letGo(): void {
    this.#session.letGo();
  }

  /** See `ConsumerSession.leaks`. */
  get leaks(): boolean {
    return this.#session.leaks;
  }

  explain(): ConsumerExplanation {
    return this.#session.explain();
  }

  health(): Health {
    return healthOf(this.#session.explain().reasons);
  }

  report(): readonly PartitionReport[] {
    return this.#session.report();
  }

  pause(partitions?: readonly TopicPartition[]): void {
    this.#session.commands.setPaused(true, partitions);
  }

  resume(partitions?: readonly TopicPartition[]): void {
    this.#session.commands.setPaused(false, partitions);
  }

  seek(positions: readonly TopicPartitionOffset[]): Promise<void> {
    return this.#session.commands.seek(positions);
  }

  replayFrom(timestamp: number, partitions?: readonly TopicPartition[]): Promise<readonly TopicPartitionOffset[]> {
    return this.#session.commands.replayFrom(timestamp, partitions);
  }

  assignment(): readonly TopicPartition[] {
    return this.#session.commands.assignment();
  }

  lag(): Promise<readonly PartitionLag[]> {
    return this.#session.commands.lag();
  }

  metrics(): ConsumerMetrics {
    return this.#session.commands.metrics();
  }

  drainAndShutdown<T>(streamCompletion: Promise<T>, options?: DrainOptions): Promise<DrainReport<T>> {
    return this.ofRun.drainAndShutdown(streamCompletion, options);
  }
}
