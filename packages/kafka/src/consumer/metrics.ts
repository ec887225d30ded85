import type { TopicPartition } from "../client/port.js";
import type { ClientStatistics } from "../client/statistics.js";
import type { RecoveryMetrics } from "./recovery/recovery.js";

/** How far a consumer is behind in one partition. */
export interface PartitionLag extends TopicPartition {
  /** The next offset to finish; of a plain source, to deliver. */
  readonly position: number;
  /** The next offset that the broker will give to a record. */
  readonly end: number;
  /** `end - position`; offsets without a record count as well. */
  readonly lag: number;
}

/** Counts since the source was run, over all partitions. */
export interface ConsumerMetrics extends RecoveryMetrics {
  readonly assignedPartitions: number;
  /** Records handed to the stream. */
  readonly delivered: number;
  readonly processed: number;
  readonly discarded: number;
  readonly parked: number;
  readonly abandoned: number;
  /** Delivered and not finished now. */
  readonly inFlight: number;
  /** Keys, values and headers of those; counted where `maxInFlightBytes` is given, else 0. */
  readonly inFlightBytes: number;
  /** Read and not delivered yet. */
  readonly buffered: number;
  /** Keys, values and headers of those. */
  readonly bufferedBytes: number;
  /** Finished and not committed yet. */
  readonly uncommitted: number;
  /** Commits that the broker acknowledged. */
  readonly commits: number;
  /** Commits that failed, after they were tried again where that could help. */
  readonly failedCommits: number;
  readonly polls: number;
  /** Assignments, revocations and losses. */
  readonly rebalances: number;
  /** The client's latest own statistics; absent unless `kafka.statistics` asks for them, and until the first come. */
  readonly client?: ClientStatistics;
}

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

/** Measured now; the rest is counted from the start. */
const MEASURED = [
  "assignedPartitions",
  "inFlight",
  "inFlightBytes",
  "buffered",
  "bufferedBytes",
  "uncommitted",
] as const;

/** Of consumers side by side; their clients' own statistics are left out. */
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
