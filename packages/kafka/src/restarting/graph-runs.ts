import type { Cancellable, Clock } from "@millrace/streams";
import { promiseOf } from "@millrace/streams/stage";
import type { ConsumerMetrics } from "../consumer/metrics.js";
import type { DrainingControl } from "../consumer/control.js";
import { KafkaConnectorError } from "../errors/errors.js";
import { Progress, unfinishedIn } from "./progress.js";
import { type Death, RestartPolicy } from "./restart-policy.js";
import type { ParsedRestarts } from "../settings/restart-settings.js";
import { sumMetrics } from "../consumer/metrics.js";
import { type PartitionReport, sumReports } from "../consumer/partitions/partition-report.js";

export interface GraphRunsOptions<T> {
  readonly settings: ParsedRestarts;
  readonly clock: Clock;
  /** Builds the graph anew and runs it. */
  readonly begin: () => DrainingControl<T>;
}

type Outcome<T> = { readonly result: T } | Death;

/**
 * A graph that is run again and again, as a whole, so that nothing of one run is left in the next:
 *
 *     running ──► completed, or failed after `end`: the last one
 *        │ fails
 *     closing ──► its client stays open, or the failure will not mend: given up
 *        │ closed
 *     waiting ──► `end`: ended without a result
 *        │ begins, or else fails at once
 *     running
 */
export class GraphRuns<T> {
  readonly #settings: ParsedRestarts;
  readonly #clock: Clock;
  readonly #begin: () => DrainingControl<T>;
  readonly #policy: RestartPolicy;
  readonly #progress = new Progress();
  /** Settles with the last run; `undefined` if that ended while waiting for another. */
  readonly completion: Promise<T | undefined>;
  #present: DrainingControl<T> | undefined;
  #closing: DrainingControl<T> | undefined;
  #reports: readonly PartitionReport[] = [];
  #metrics: ConsumerMetrics | undefined;
  #restarts = 0;
  #lastFailure: unknown;
  #ending = false;
  #isOver = false;
  #stopWaiting: () => void = () => undefined;

  /** Throws what `begin` throws for the first run. */
  constructor({ settings, clock, begin }: GraphRunsOptions<T>) {
    this.#settings = settings;
    this.#clock = clock;
    this.#begin = begin;
    this.#policy = new RestartPolicy(settings);
    this.#present = begin();
    this.completion = this.#live(this.#present);
    const over = (): void => void (this.#isOver = true);
    this.completion.then(over, over);
  }

  /** The current or last run; none while waiting for the next. */
  get present(): DrainingControl<T> | undefined {
    return this.#present;
  }

  /** There will be no other run. */
  get isOver(): boolean {
    return this.#isOver;
  }

  get restarts(): number {
    return this.#restarts;
  }

  get lastFailure(): unknown {
    return this.#lastFailure;
  }

  /** Over all runs. */
  report(): readonly PartitionReport[] {
    const running = this.#present ?? this.#closing;
    return running ? sumReports(this.#reports, running.report()) : this.#reports;
  }

  metrics(): ConsumerMetrics {
    return sumMetrics(this.#metrics, (this.#present ?? this.#closing)?.metrics());
  }

  /** There is to be no other run. */
  end(): void {
    this.#ending = true;
    this.#stopWaiting();
  }

  async #live(first: DrainingControl<T>): Promise<T | undefined> {
    let outcome = await this.#outcomeOf(first);
    while ("failure" in outcome) {
      const { failure } = outcome;
      const delayMs = this.#policy.delayAfter(outcome);
      if (!this.#ending) await this.#backOff(failure, delayMs);
      if (this.#ending) return undefined;
      outcome = await this.#next();
    }
    return outcome.result;
  }

  async #next(): Promise<Outcome<T>> {
    this.#restarts += 1;
    try {
      this.#present = this.#begin();
    } catch (failure) {
      this.#lastFailure = failure;
      return { failure, livedMs: 0, advanced: false, unfinished: [] };
    }
    return this.#outcomeOf(this.#present);
  }

  async #outcomeOf(control: DrainingControl<T>): Promise<Outcome<T>> {
    const bornAt = this.#clock.now();
    try {
      return { result: await control.streamCompletion };
    } catch (failure) {
      this.#lastFailure = failure;
      if (this.#ending) throw failure;
      const livedMs = this.#clock.now() - bornAt;
      const unfinished = unfinishedIn(control.explain());
      this.#present = undefined;
      this.#closing = control;
      await this.#closed(control, failure);
      const report = control.report();
      this.#reports = sumReports(this.#reports, report);
      this.#metrics = sumMetrics(this.#metrics, control.metrics());
      this.#closing = undefined;
      return { failure, livedMs, advanced: this.#progress.advances(report), unfinished };
    }
  }

  /**
   * The end of its run closes its client, after its producers. 1. Where something of the run goes on, as a branch that did
   * not fail, the client is closed from here. 2. Where even that does not end, the client may be a member of the group
   * still, and another one would get only what it leaves.
   */
  async #closed(control: DrainingControl<T>, cause: unknown): Promise<void> {
    const { closeTimeoutMs, logger } = this.#settings;
    if (await this.#settles(control.isShutdown)) return;
    logger.warn("restarting: a graph that failed still runs, so it is shut down", { explanation: control.explain() });
    if (await this.#settles(control.drainAndShutdown())) return;
    throw new KafkaConnectorError(
      "CLOSE_TIMEOUT",
      `A graph that failed did not close its client within ${2 * closeTimeoutMs} ms, so it was not run again: the two would compete for partitions. End the process.`,
      { cause },
    );
  }

  #settles(promise: Promise<unknown>): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = this.#clock.schedule(this.#settings.closeTimeoutMs, () => resolve(false));
      const settled = (): void => {
        timer.cancel();
        resolve(true);
      };
      promise.then(settled, settled);
    });
  }

  async #backOff(cause: unknown, delayMs: number): Promise<void> {
    const { logger, onRestart } = this.#settings;
    logger.warn(`restarting: the graph failed and runs again in ${Math.round(delayMs)} ms`, { error: cause });
    const failed = (error: unknown): void => logger.error("restarting: onRestart failed", { error });
    try {
      promiseOf<unknown>(onRestart?.({ number: this.#restarts + 1, cause, delayMs }))?.catch(failed);
    } catch (error) {
      failed(error);
    }
    // onRestart may have ended it.
    if (this.#ending) return;
    let timer: Cancellable | undefined;
    await new Promise<void>((resolve) => {
      timer = this.#clock.schedule(delayMs, resolve);
      this.#stopWaiting = resolve;
    });
    timer?.cancel();
    this.#stopWaiting = () => undefined;
  }
}
