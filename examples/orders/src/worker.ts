/** The process that runs the pipeline: reports to its parent, drains on SIGTERM, and ends when the parent has gone. */
import { runUntilSignal, silentLogger } from "@millrace/kafka";
import { Meter } from "./meter.js";
import { ordersPipeline } from "./pipeline.js";
import { enrichWith, remotePrices } from "./prices.js";

/** What the parent gives as the only argument, in JSON. */
export interface Job {
  readonly brokers: string;
  readonly groupId: string;
  readonly topics: { readonly orders: string; readonly lines: string };
  /** How long the group waits for a member that is silent before it gives its partitions to others. */
  readonly sessionTimeoutMs: number;
  readonly seed: number;
}

const REPORT_EVERY_MS = 100;

const job = JSON.parse(process.argv[2] ?? "{}") as Job;
const meter = new Meter();

// Ctrl-C reaches parent and child; the parent decides.
process.on("SIGINT", () => undefined);
// The parent was killed, and nobody is left to drain for.
process.once("disconnect", () => process.exit(1));

const graph = ordersPipeline({
  kafka: { brokers: job.brokers, groupId: job.groupId },
  topics: job.topics,
  membership: {
    // Static membership: a process that comes back under this name is given its partitions at once.
    "group.instance.id": "orders-1",
    "session.timeout.ms": job.sessionTimeoutMs,
    "heartbeat.interval.ms": 1_000,
  },
  enrich: meter.entering(enrichWith(remotePrices(job.seed))),
  finished: meter.finished,
});

await runUntilSignal(graph, {
  signals: ["SIGTERM"],
  logger: silentLogger,
  onRunning(control) {
    setInterval(() => process.send?.(meter.report(control.metrics().uncommitted)), REPORT_EVERY_MS);
  },
});
process.exit(0);
