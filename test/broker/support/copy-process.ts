/** The copy job in a process of its own, which the tests kill. Its job comes as JSON in the first argument. */
import { type CopyJob, startCopy } from "./copy-job.js";

/** What the process tells its parent, some hundred times a second at most. */
export interface CopyProgress {
  readonly delivered: number;
  readonly acknowledged: number;
}

const REPORT_MS = 10;
const DELIVERED_EVERY = 500;

const progress = { delivered: 0, acknowledged: 0 };
const report = (): void => void process.send?.(progress);

const control = startCopy({
  ...(JSON.parse(process.argv[2] ?? "") as CopyJob),
  onDelivered: () => {
    if (progress.delivered++ % DELIVERED_EVERY === 0) report();
  },
  onAcknowledged: () => {
    progress.acknowledged += 1;
  },
});
const reports = setInterval(report, REPORT_MS);

const end = async (): Promise<void> => {
  await control.drainAndShutdown();
  clearInterval(reports);
  process.disconnect?.();
};

control.streamCompletion.catch((error: unknown) => {
  process.stderr.write(`the copying process failed: ${String(error)}\n`);
  process.exit(1);
});
process.on("message", () => void end());
// The parent has died, or needs no more.
process.on("disconnect", () => process.exit());
