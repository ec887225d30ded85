import { messageOf } from "@millrace/streams/stage";
import type { TopicPartition, TopicPartitionOffset } from "../client/port.js";
import { type Health, healthOf } from "../consumer/recovery/health.js";
import type { ConsumerMetrics, PartitionLag } from "../consumer/metrics.js";
import { UserPauses } from "../consumer/reading/user-pauses.js";
import type { DrainingControl } from "../consumer/control.js";
import type { DrainOptions } from "../consumer/drain.js";
import { type DrainReport, drainReport } from "../consumer/drain-report.js";
import { KafkaConnectorError } from "../errors/errors.js";
import { GraphRuns, type GraphRunsOptions } from "./graph-runs.js";
import type { ConsumerExplanation } from "../consumer/explanation.js";
import type { PartitionReport } from "../consumer/partitions/partition-report.js";

/**
 * Steers a graph of `restarting`: one control for all its runs, the materialised value. What it does goes to the
 * one that runs; between two of them nothing is assigned.
 */
export class RestartingControl<T> {
  readonly #runs: GraphRuns<T>;
  readonly #userPauses = new UserPauses();
  /**
   * Settles when there will be no other run: with what the stream completed with; with `undefined` where it was
   * stopped or drained while the next one was waited for; rejects with the failure that no restart mends, and with
   * `RESTARTS_EXHAUSTED` or `CLOSE_TIMEOUT`, whose `cause` is the last failure.
   */
  readonly streamCompletion: Promise<T | undefined>;

  constructor(options: GraphRunsOptions<T>) {
    const begin = (): DrainingControl<T> => {
      const control = options.begin();
      // Nothing is assigned yet, so that nothing of what is paused slips through.
      this.#userPauses.repeatAt(control);
      return control;
    };
    this.#runs = new GraphRuns({ ...options, begin });
    this.streamCompletion = this.#runs.completion;
  }

  /** How often the graph was run again. */
  get restarts(): number {
    return this.#runs.restarts;
  }

  /** What the last run that failed has failed with; `undefined` where none has. */
  get lastFailure(): unknown {
    return this.#runs.lastFailure;
  }

  /** `waiting` between two runs, from the failure of one to the beginning of the next. */
  get state(): "running" | "waiting" {
    return this.#runs.present ? "running" : "waiting";
  }

  /** Stops reading, and ends the waiting for another run; see `Control.stop`. */
  async stop(): Promise<void> {
    this.#runs.end();
    await this.#runs.present?.stop();
  }

  /**
   * `DrainingControl.drainAndShutdown`, of the present run; its failure rejects and is no reason for another. Between
   * two runs it resolves at once, for the last one's records will be read again. The report sums up all runs; that of a
   * `DrainError` covers the last one.
   */
  async drainAndShutdown(options?: DrainOptions): Promise<DrainReport<T | undefined>> {
    this.#runs.end();
    const drained = await this.#runs.present?.drainAndShutdown(options);
    const result = drained ? drained.result : await this.streamCompletion;
    return drainReport(result, this.report());
  }

  /** Settles when no run is left and the last client is closed; rejects as `streamCompletion`, or with what closing failed with. */
  get isShutdown(): Promise<void> {
    return this.#end();
  }

  async #end(): Promise<void> {
    await Promise.allSettled([this.streamCompletion]);
    await this.#runs.present?.isShutdown;
    await this.streamCompletion;
  }

  /** See `Control.explain`; between two runs there are no partitions. */
  explain(): ConsumerExplanation {
    const { present, restarts, lastFailure } = this.#runs;
    const now: Omit<ConsumerExplanation, "toString"> = present?.explain() ?? {
      ...{ state: "closed", partitions: [] },
      reasons: this.health().reasons,
    };
    const failure = lastFailure === undefined ? "" : `, the last failure: ${messageOf(lastFailure)}`;
    const first = `${restarts} restarts${failure}`;
    const rest = (): string => (present ? present.explain().toString() : "waiting for the next run");
    return { ...now, toString: () => `${first}\n${rest()}` };
  }

  /** See `Control.health`; between two runs it is live, and not ready. */
  health(): Health {
    const { present, isOver, lastFailure } = this.#runs;
    if (present) return present.health();
    const why = lastFailure === undefined ? "it was stopped" : messageOf(lastFailure);
    return healthOf([{ code: isOver ? "FAILED" : "RESTARTING", message: why }]);
  }

  /** See `Control.report`; sums up all runs. */
  report(): readonly PartitionReport[] {
    return this.#runs.report();
  }

  /** See `Control.pause`; also kept for the runs to come. */
  pause(partitions?: readonly TopicPartition[]): void {
    this.#userPauses.set(true, partitions);
    this.#runs.present?.pause(partitions);
  }

  /** See `Control.resume`. */
  resume(partitions?: readonly TopicPartition[]): void {
    this.#userPauses.set(false, partitions);
    this.#runs.present?.resume(partitions);
  }

  /**
   * See `Control.seek`. Rejects with `SEEK_FAILED`, retriable, between two runs. The next one begins at the committed
   * positions, so a jump without a later commit is forgotten.
   */
  async seek(positions: readonly TopicPartitionOffset[]): Promise<void> {
    await this.#running("seek").seek(positions);
  }

  /** See `Control.replayFrom`, and `seek`. */
  async replayFrom(
    timestamp: number,
    partitions?: readonly TopicPartition[],
  ): Promise<readonly TopicPartitionOffset[]> {
    return this.#running("replayFrom").replayFrom(timestamp, partitions);
  }

  /** See `Control.assignment`; empty between two runs. */
  assignment(): readonly TopicPartition[] {
    return this.#runs.present?.assignment() ?? [];
  }

  /** See `Control.lag`; empty between two runs. */
  async lag(): Promise<readonly PartitionLag[]> {
    return this.#runs.present?.lag() ?? [];
  }

  /** See `Control.metrics`; counts sum up all runs. */
  metrics(): ConsumerMetrics {
    return this.#runs.metrics();
  }

  #running(call: string): DrainingControl<T> {
    const { present } = this.#runs;
    if (present) return present;
    throw new KafkaConnectorError(
      "SEEK_FAILED",
      `${call}: the graph failed and waits for its restart, so that nothing is assigned. Call it again once control.assignment() names the partitions.`,
      { retriable: true, cause: this.lastFailure },
    );
  }
}
