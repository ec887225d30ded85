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

/** What is counted adds up; what is measured is that of `now`. */
export const sumMetrics = (before: ConsumerMetrics = NONE, now: ConsumerMetrics = NONE): ConsumerMetrics => ({
  ...now,
  delivered: before.delivered + now.delivered,
  processed: before.processed + now.processed,
  discarded: before.discarded + now.discarded,
  parked: before.parked + now.parked,
  abandoned: before.abandoned + now.abandoned,
  commits: before.commits + now.commits,
  polls: before.polls + now.polls,
  rebalances: before.rebalances + now.rebalances,
  failedCommits: before.failedCommits + now.failedCommits,
  offsetResets: before.offsetResets + now.offsetResets,
  removedOffsets: before.removedOffsets + now.removedOffsets,
  watchdogProbes: before.watchdogProbes + now.watchdogProbes,
  watchdogSeeks: before.watchdogSeeks + now.watchdogSeeks,
  watchdogReassignments: before.watchdogReassignments + now.watchdogReassignments,
  watchdogRenewals: before.watchdogRenewals + now.watchdogRenewals,
});

/** Of consumers side by side; what their clients tell of themselves is for each to ask. */
export const addMetrics = (all: readonly ConsumerMetrics[]): ConsumerMetrics => {
  const [only] = all;
  if (only && all.length === 1) return only;
  const counts = Object.keys(NONE) as (keyof typeof NONE)[];
  const sums = counts.map((count) => [count, all.reduce((sum, each) => sum + each[count], 0)]);
  return Object.fromEntries(sums) as ConsumerMetrics;
};
