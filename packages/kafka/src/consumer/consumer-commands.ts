import type { TopicPartition, TopicPartitionOffset } from "../client/port.js";
import type { ConsumerExplanation } from "./explanation.js";
import type { ConsumerMetrics, PartitionLag } from "./metrics.js";
import type { PartitionReport } from "./partitions/partition-report.js";
import type { Health } from "./recovery/health.js";

/** What the user may do to a running consumer, and ask of it. */
export interface ConsumerCommands {
  /** What the consumer waits for now: per partition the record that holds back the commit, its age, and where it is. */
  explain(): ConsumerExplanation;
  /** Whether it works, for the probes of a supervisor, and what keeps it from that. */
  health(): Health;
  /** Outcomes of the records so far, per partition. */
  report(): readonly PartitionReport[];
  /**
   * Stops delivery of these partitions, or of all, those assigned later included, until `resume`. What was delivered
   * goes on. The pause stays when a partition is revoked and assigned again, and is independent of backpressure.
   */
  pause(partitions?: readonly TopicPartition[]): void;
  /** Ends `pause` for these partitions, or for all. */
  resume(partitions?: readonly TopicPartition[]): void;
  /**
   * Reads assigned partitions on from these offsets. Waits, for `revokeTimeoutMs` at most, until what is in flight is
   * finished and committed; then a new epoch begins. Nothing is committed for the jump itself. Rejects with
   * `SEEK_FAILED`, without moving it, where a partition is not assigned or its records were not finished in time.
   */
  seek(positions: readonly TopicPartitionOffset[]): Promise<void>;
  /**
   * `seek` to the first record that is not older than the timestamp, in milliseconds since the epoch, of these
   * partitions, or of all that are assigned; one without such a record is left where it is. Resolves with the offsets.
   */
  replayFrom(timestamp: number, partitions?: readonly TopicPartition[]): Promise<readonly TopicPartitionOffset[]>;
  /** The partitions assigned now. */
  assignment(): readonly TopicPartition[];
  /** How far behind the ends of its partitions the consumer is, as the broker knows them now. */
  lag(): Promise<readonly PartitionLag[]>;
  /** Counts so far; delivered records and those in flight, commits, polls and rebalances. */
  metrics(): ConsumerMetrics;
}
