import { constants } from "node:os";
import type { Logger, RunnableGraph, RunOptions } from "@millrace/streams";
import { DRAIN_TIMEOUT_MS, type DrainOptions } from "./consumer/drain.js";
import type { DrainReport } from "./consumer/drain-report.js";
import { loggerOf } from "./logging/logger-of.js";

const SIGNALS: readonly NodeJS.Signals[] = ["SIGTERM", "SIGINT"];

/** What a graph has to materialise: a `DrainingControl`, or the control of `restarting`. */
export interface DrainableControl<out T> {
  readonly streamCompletion: Promise<T>;
  drainAndShutdown(options?: DrainOptions): Promise<DrainReport<T>>;
}

export interface RunUntilSignalOptions<in M = never> extends RunOptions {
  /** How long a drain may take; default 30 000 ms. Whatever kills the process must wait for longer. */
  readonly drainTimeoutMs?: number;
  /** Default: SIGTERM and SIGINT. */
  readonly signals?: readonly NodeJS.Signals[];
  /** Gets what is done, and the report of the drain; default: the console, from `info` up. */
  readonly logger?: Logger;
  /** Called with the control once the graph runs, for `explain`, `lag` and the like. */
  readonly onRunning?: (control: M) => void;
}

/**
 * Runs the graph of a service until the process gets a signal to end: the first one drains it, so that everything in
 * flight is finished and committed, and the group left, before its successor takes over; a second one ends the process
 * at once, with the exit code of that signal. Without a drain a successor waits until the session of this member ends,
 * 45 s by default.
 *
 * Resolves with the report of the drain, which is logged; also where the stream completes by itself. Rejects with the
 * failure of the stream, and as `drainAndShutdown` does: awaited at the top of a module, that ends the process with exit
 * code 1, whatever else it does, so that its supervisor begins another. Handlers of signals are put back in every case.
 *
 * @example
 * await runUntilSignal(
 *   sourceWithOffsetContext({ kafka, topics: ["orders"], value: string() })
 *     .mapAsyncUnordered(16, ({ value }) => ship(value))
 *     .toMat(committerSink(), DrainingControl.from),
 * );
 */
export const runUntilSignal = async <T, M extends DrainableControl<T>>(
  graph: RunnableGraph<M & DrainableControl<T>>,
  options: RunUntilSignalOptions<M> = {},
): Promise<DrainReport<T>> => {
  const { drainTimeoutMs: timeoutMs = DRAIN_TIMEOUT_MS, signals = SIGNALS, logger: given, onRunning, ...run } = options;
  const logger = loggerOf(given, "info");
  let resolveSignal: (signal: NodeJS.Signals) => void = () => undefined;
  const signalled = new Promise<NodeJS.Signals>((resolve) => (resolveSignal = resolve));
  let draining = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (!draining) return resolveSignal(signal);
    logger.warn(`${signal} once more: ending at once; what is not finished is read again`);
    // As without a listener; process.exit would wait for every client call. Process 1 of a container survives a signal.
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
    process.exit(128 + constants.signals[signal]);
  };
  for (const signal of signals) process.on(signal, onSignal);
  try {
    const control = graph.run(run);
    onRunning?.(control);
    const first = await Promise.race([signalled, control.streamCompletion.then(() => undefined)]);
    draining = true;
    if (first) logger.info(`${first}: finishing what is in flight, for ${timeoutMs} ms at most`);
    const report = await control.drainAndShutdown({ timeoutMs });
    logger.info(`drained: ${report.toString()}`);
    return report;
  } finally {
    for (const signal of signals) process.off(signal, onSignal);
  }
};
