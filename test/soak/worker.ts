/** One worker process: runs a pipeline, reports to its parent, drains on SIGTERM, and ends when the parent has gone. */
import { Witness } from "./observed-driver.js";
import { PIPELINES } from "./pipelines.js";
import type { Job, WorkerMessage } from "./protocol.js";

const PROGRESS_EVERY_MS = 1000;
const SAMPLE_EVERY_MS = 5000;
const QUIET_MS = 20_000;

const job = JSON.parse(process.argv[2] ?? "{}") as Job;

const tell = (message: WorkerMessage, sent: () => void = () => undefined): void => {
  // The callback takes the error of a channel that closes while the message is on its way.
  if (process.connected) process.send?.(message, undefined, undefined, sent);
  else sent();
};

const witness = new Witness(job.life, tell);
const running = PIPELINES[job.pipeline](job, witness);

const fail = (error: unknown): void => {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  tell({ kind: "failed", at: Date.now(), error: text }, () => process.exit(1));
};

const drain = async (): Promise<void> => {
  void running.streamCompletion.then(
    () => tell({ kind: "drained", at: Date.now(), positions: witness.positions }),
    () => undefined,
  );
  try {
    await running.drainAndShutdown();
    tell({ kind: "progress", at: Date.now(), delivered: witness.delivered }, () => process.exit(0));
  } catch (error) {
    fail(error);
  }
};

const sample = (): void => {
  global.gc?.();
  const { heapUsed, heapTotal, rss } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  const at = Date.now();
  const cpuMs = (user + system) / 1000;
  tell({
    kind: "sample",
    at,
    sample: { at, heapBytes: heapUsed, heapTotalBytes: heapTotal, rssBytes: rss, cpuMs, delivered: witness.delivered },
  });
};

setInterval(() => tell({ kind: "progress", at: Date.now(), delivered: witness.delivered }), PROGRESS_EVERY_MS);
setInterval(sample, SAMPLE_EVERY_MS);
let quiet = { delivered: 0, since: Date.now() };
/** What stands still says why, into the log of the soak: afterwards nobody can ask it any more. */
setInterval(() => {
  const { delivered } = witness;
  const now = Date.now();
  if (delivered !== quiet.delivered) quiet = { delivered, since: now };
  if (now - quiet.since < QUIET_MS) return;
  console.error(`process ${job.life} was given nothing for ${QUIET_MS / 1000} s: ${running.explain().toString()}`);
  quiet = { delivered, since: now };
}, PROGRESS_EVERY_MS);
let draining = false;
running.streamCompletion.catch((error: unknown) => {
  if (!draining) fail(error);
});
process.once("SIGTERM", () => {
  draining = true;
  void drain();
});
tell({ kind: "progress", at: Date.now(), delivered: 0 });
// Ctrl-C reaches parent and child; the parent decides.
process.on("SIGINT", () => undefined);
process.once("disconnect", () => process.exit(1));
