import type { Clock } from "@millrace/streams";
import type { ConsumerExplanation, PartitionReport } from "./consumer/session-history.js";
import { DrainError } from "./drain-error.js";
import { drainReport, type DrainReport } from "./drain-report.js";

/** How long a drain may take unless it is told. */
const DRAIN_TIMEOUT_MS = 30_000;

export interface DrainOptions {
  /** How long in-flight records may take to finish and be committed; default 30 000 ms. */
  readonly timeoutMs?: number;
}

/** What a drain asks a consumer. */
export interface Drainable {
  report(): readonly PartitionReport[];
  explain(): ConsumerExplanation;
  /** The stream has ended by itself, and yet claims that only it could end are open. */
  readonly leaks: boolean;
}

type Ending<T> = { readonly result: T } | { readonly late: ConsumerExplanation };

const ending = <T>(completion: Promise<T>, consumer: Drainable, clock: Clock, timeoutMs: number): Promise<Ending<T>> =>
  new Promise((resolve, reject) => {
    const timer = clock.schedule(timeoutMs, () => resolve({ late: consumer.explain() }));
    completion.then((result) => resolve({ result }), reject).finally(() => timer.cancel());
  });

/** Stops, waits for the stream, closes, and tells what became of every record (I8). */
export const drain = async <T>(
  control: { stop(): Promise<void>; shutdown(): Promise<void> },
  consumer: Drainable,
  clock: Clock,
  completion: Promise<T>,
  { timeoutMs = DRAIN_TIMEOUT_MS }: DrainOptions = {},
): Promise<DrainReport<T>> => {
  let end: Ending<T>;
  try {
    await control.stop();
    end = await ending(completion, consumer, clock, timeoutMs);
  } catch (error) {
    // The stream's failure is the one to report; that of the shutdown is seen in isShutdown.
    await control.shutdown().catch(() => undefined);
    throw error;
  }
  const failure = await control.shutdown().then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  const report = drainReport("result" in end ? end.result : undefined, consumer.report());
  if ("late" in end) throw DrainError.late(report, timeoutMs, end.late);
  if (failure) throw DrainError.failed(report, failure.error);
  if (consumer.leaks) throw DrainError.leaked(report);
  return report as DrainReport<T>;
};
