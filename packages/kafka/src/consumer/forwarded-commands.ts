import type { TopicPartition, TopicPartitionOffset } from "../client/port.js";
import type { ConsumerCommands } from "./consumer-commands.js";
import type { ConsumerExplanation } from "./explanation.js";
import type { ConsumerMetrics, PartitionLag } from "./metrics.js";
import type { PartitionReport } from "./partitions/partition-report.js";
import type { Health } from "./recovery/health.js";

/** Hands commands on to whatever carries them out now. */
export abstract class ForwardedCommands implements ConsumerCommands {
  protected abstract readonly commands: ConsumerCommands;

  /** See `Control.explain`. */
  explain(): ConsumerExplanation {
    return this.commands.explain();
  }

  /** See `Control.health`. */
  health(): Health {
    return this.commands.health();
  }

  /** See `Control.report`. */
  report(): readonly PartitionReport[] {
    return this.commands.report();
  }

  /** See `Control.pause`. */
  pause(partitions?: readonly TopicPartition[]): void {
    this.commands.pause(partitions);
  }

  /** See `Control.resume`. */
  resume(partitions?: readonly TopicPartition[]): void {
    this.commands.resume(partitions);
  }

  /** See `Control.seek`. */
  seek(positions: readonly TopicPartitionOffset[]): Promise<void> {
    return this.commands.seek(positions);
  }

  /** See `Control.replayFrom`. */
  replayFrom(timestamp: number, partitions?: readonly TopicPartition[]): Promise<readonly TopicPartitionOffset[]> {
    return this.commands.replayFrom(timestamp, partitions);
  }

  /** See `Control.assignment`. */
  assignment(): readonly TopicPartition[] {
    return this.commands.assignment();
  }

  /** See `Control.lag`. */
  lag(): Promise<readonly PartitionLag[]> {
    return this.commands.lag();
  }

  /** See `Control.metrics`. */
  metrics(): ConsumerMetrics {
    return this.commands.metrics();
  }
}
