import type { ConsumerMetrics } from "./commands.js";

const NONE: Omit<ConsumerMetrics, "client"> = {
  assignedPartitions: 0,
  delivered: 0,
  processed: 0,
  discarded: 0,
  parked: 0,
  abandoned: 0,
  inFlight: 0,
  inFlightBytes: 0,
  buffered: 0,
  bufferedBytes: 0,
  uncommitted: 0,
  commits: 0,
  polls: 0,
  rebalances: 0,
  failedCommits: 0,
  offsetResets: 0,
  removedOffsets: 0,
  watchdogProbes: 0,
  watchdogSeeks: 0,
  watchdogReassignments: 0,
  watchdogRenewals: 0,
};

/** Of how things are now; the rest is counted from the beginning on. */
const MEASURED = [
  "assignedPartitions",
  "inFlight",
  "inFlightBytes",
  "buffered",
  "bufferedBytes",
  "uncommitted",
] as const;

/** Of consumers side by side; what their clients tell of themselves is for each to ask. */
export const addMetrics = (all: readonly ConsumerMetrics[]): ConsumerMetrics => {
  const [only] = all;
  if (only && all.length === 1) return only;
  const names = Object.keys(NONE) as (keyof typeof NONE)[];
  const sums = names.map((name) => [name, all.reduce((sum, each) => sum + each[name], 0)]);
  return Object.fromEntries(sums) as ConsumerMetrics;
};

/** Of one consumer after another: what is counted adds up, what is measured is that of `now`. */
export const sumMetrics = (before: ConsumerMetrics = NONE, now: ConsumerMetrics = NONE): ConsumerMetrics => ({
  ...now,
  ...addMetrics([before, now]),
  ...Object.fromEntries(MEASURED.map((name) => [name, now[name]])),
});
