import type { Clock } from "@millrace/streams";
import { DrainError } from "./drain-error.js";
import { drainReport, type DrainReport } from "./drain-report.js";
import type { ConsumerExplanation } from "./explanation.js";
import type { PartitionReport } from "./partitions/partition-report.js";

/** How long a drain may take by default. */
export const DRAIN_TIMEOUT_MS = 30_000;
/** Share of it for the last commit and for closing, and the most it can be. */
const CLOSING_PART = 0.2;
const CLOSING_MS = 1000;

export interface DrainOptions {
  /**
   * Upper bound on the time until the report, whatever the brokers do; default 30 000 ms. The last fifth of it, at most
   * a second, is for the last commit and for closing; records in flight have the rest.
   */
  readonly timeoutMs?: number;
}

/** What a drain asks a consumer. */
export interface Drainable {
  report(): readonly PartitionReport[];
  explain(): ConsumerExplanation;
  /** The stream has ended by itself, and yet claims that only it could end are open. */
  readonly leaks: boolean;
}

/** What a drain does to it. */
export interface Drained {
  stop(): Promise<void>;
  shutdown(): Promise<void>;
  /** The time is over: nothing of it is waited for any more, nor keeps the process alive. */
  letGo?(error: unknown): void;
}

type Settled<T> = { readonly result: T } | { readonly error: unknown };

const settled = <T>(promise: Promise<T>): Promise<Settled<T>> =>
  promise.then(
    (result) => ({ result }),
    (error: unknown) => ({ error }),
  );

/** How something settled; `undefined` if it has not within `ms`. */
const within = <T>(promise: Promise<T>, clock: Clock, ms: number): Promise<Settled<T> | undefined> =>
  new Promise((resolve) => {
    const timer = clock.schedule(Math.max(0, ms), () => resolve(undefined));
    void settled(promise).then((how) => {
      timer.cancel();
      resolve(how);
    });
  });

/** Stops, waits for the stream, closes, and reports the outcomes of all records (I8). */
export const drain = async <T>(
  control: Drained,
  consumer: Drainable,
  clock: Clock,
  completion: Promise<T>,
  { timeoutMs = DRAIN_TIMEOUT_MS }: DrainOptions = {},
): Promise<DrainReport<T>> => {
  const deadline = clock.now() + timeoutMs;
  const stopped = control.stop().then(() => completion);
  const end = await within(stopped, clock, timeoutMs - Math.min(CLOSING_MS, CLOSING_PART * timeoutMs));
  const late = end ? undefined : consumer.explain();
  const closed = await within(control.shutdown(), clock, deadline - clock.now());
  const report = drainReport(end && "result" in end ? end.result : undefined, consumer.report());
  const failure = failureOf(end, closed, late, consumer, report, timeoutMs);
  if (!end || !closed) control.letGo?.(failure?.error);
  if (failure) throw failure.error;
  return report as DrainReport<T>;
};

/** The stream's failure is the one to report; that of the shutdown is seen in isShutdown. */
const failureOf = (
  end: Settled<unknown> | undefined,
  closed: Settled<void> | undefined,
  late: ConsumerExplanation | undefined,
  consumer: Drainable,
  report: DrainReport,
  timeoutMs: number,
): { readonly error: unknown } | undefined => {
  if (end && "error" in end) return end;
  if (late) return { error: DrainError.late(report, timeoutMs, late) };
  if (!closed) return { error: DrainError.overdue(report, timeoutMs) };
  if ("error" in closed) return { error: DrainError.failed(report, closed.error) };
  return consumer.leaks ? { error: DrainError.leaked(report) } : undefined;
};
