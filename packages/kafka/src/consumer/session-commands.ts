import { partitionOf } from "../client/partition-key.js";
import type { TopicPartition, TopicPartitionOffset } from "../client/port.js";
import type { LatestStatistics } from "../client/statistics.js";
import type { ConsumerCommands } from "./consumer-commands.js";
import type { Deliveries } from "./deliveries.js";
import { type ConsumerExplanation, explanation } from "./explanation.js";
import type { ConsumerMetrics, PartitionLag } from "./metrics.js";
import type { OwnedPartition } from "./partitions/owned-partition.js";
import { addCounts, type PartitionReport } from "./partitions/partition-report.js";
import type { Rebalancing } from "./rebalancing/rebalancing.js";
import type { Seeking } from "./rebalancing/seeking.js";
import type { SessionContext } from "./rebalancing/session-context.js";
import type { HeldRecords } from "./reading/held-records.js";
import { type Health, type HealthReason, healthOf } from "./recovery/health.js";
import type { Recovery } from "./recovery/recovery.js";

/** What else commands read and change. */
export interface Commanded {
  readonly deliveries: Pick<Deliveries, "onRoom">;
  readonly rebalancing: Pick<Rebalancing, "count">;
  readonly seeking: Seeking;
  readonly recovery: Recovery;
  readonly statistics: LatestStatistics;
  readonly held: HeldRecords;
  /** Asked for what keeps stages from their work. */
  readonly stageTroubles: Iterable<() => HealthReason | undefined>;
  /** Whether the stream of the partition has not been run yet. */
  readonly isWaiting: (owned: OwnedPartition) => boolean;
}

/** Carries out what the user may do to a session, and ask of it. */
export class SessionCommands implements ConsumerCommands {
  readonly #context: SessionContext;
  readonly #parts: Commanded;

  constructor(context: SessionContext, parts: Commanded) {
    this.#context = context;
    this.#parts = parts;
  }

  explain(): ConsumerExplanation {
    const { life, clock, assignment, reading } = this.#context;
    const { flow } = reading;
    const { recovery, held, isWaiting } = this.#parts;
    return explanation(life.state, clock.now(), assignment.partitions, {
      reasons: this.#troubles(),
      isPausedByUser: (owned) => flow.isPausedByUser(owned),
      isPaused: (owned) => flow.isPaused(owned),
      isWaiting,
      recovery,
      held,
    });
  }

  health(): Health {
    return healthOf(this.#troubles());
  }

  report(): readonly PartitionReport[] {
    return this.#context.assignment.report();
  }

  pause(partitions?: readonly TopicPartition[]): void {
    this.#setPaused(true, partitions);
  }

  resume(partitions?: readonly TopicPartition[]): void {
    this.#setPaused(false, partitions);
  }

  #setPaused(paused: boolean, partitions: readonly TopicPartition[] | undefined): void {
    const { reading } = this.#context;
    reading.flow.userPauses.set(paused, partitions);
    reading.wake();
    this.#parts.deliveries.onRoom();
  }

  seek(positions: readonly TopicPartitionOffset[]): Promise<void> {
    return positions.length === 0 ? Promise.resolve() : this.#parts.seeking.seek(positions);
  }

  async replayFrom(
    timestamp: number,
    partitions: readonly TopicPartition[] = this.assignment(),
  ): Promise<readonly TopicPartitionOffset[]> {
    if (partitions.length === 0) return [];
    const { client, settings } = this.#context;
    const times = partitions.map((each) => ({ ...partitionOf(each), timestamp }));
    const positions = await client.offsetsForTimes(times, settings.lookupTimeoutMs);
    await this.seek(positions);
    return positions;
  }

  assignment(): readonly TopicPartition[] {
    return [...this.#context.assignment.partitions].map(partitionOf);
  }

  async lag(): Promise<readonly PartitionLag[]> {
    const { client, settings, assignment } = this.#context;
    const { lookupTimeoutMs: timeoutMs } = settings;
    const owned = [...assignment.partitions];
    const unread = owned.filter(({ position }) => position === undefined).map(partitionOf);
    const committed = unread.length === 0 ? [] : await client.committed(unread, timeoutMs);
    return Promise.all(
      owned.map(async ({ topic, partition, position }) => {
        const { low, high } = await client.watermarks({ topic, partition }, timeoutMs);
        const stored = committed.find((each) => each.topic === topic && each.partition === partition)?.offset;
        const next = position ?? stored ?? low;
        return { topic, partition, position: next, end: high, lag: Math.max(0, high - next) };
      }),
    );
  }

  /** What keeps the consumer from its work. */
  #troubles(): readonly HealthReason[] {
    const { life, assignment, commits, client, clock } = this.#context;
    const { state, failure } = life;
    const { rebalancing, recovery, held, stageTroubles } = this.#parts;
    return recovery.health.troubles({
      ...{ state, failure, commitFailure: commits.counts.lastFailure },
      assigned: rebalancing.count > 0 || assignment.size > 0,
      positionsHeldMs: client.positionsHeldMs(clock.now()),
      removedOffsets: recovery.removed.count,
      more: [...held.troubles(assignment.partitions), ...[...stageTroubles].flatMap((ask) => ask() ?? [])],
    });
  }

  metrics(): ConsumerMetrics {
    const { assignment, commits, reading } = this.#context;
    const { rebalancing, statistics, recovery } = this.#parts;
    const { processed, discarded, parked, abandoned } = addCounts(assignment.report());
    const now = { inFlight: 0, inFlightBytes: 0, buffered: 0, bufferedBytes: 0, uncommitted: 0 };
    for (const { ledger, buffered, bufferedBytes } of assignment.partitions) {
      now.inFlight += ledger.inFlight;
      now.inFlightBytes += ledger.openBytes;
      now.uncommitted += ledger.uncommitted;
      now.buffered += buffered;
      now.bufferedBytes += bufferedBytes;
    }
    return {
      assignedPartitions: assignment.size,
      delivered: assignment.handedOver,
      ...{ processed, discarded, parked, abandoned },
      ...now,
      commits: commits.counts.commits,
      failedCommits: commits.counts.failedCommits,
      polls: reading.polls,
      rebalances: rebalancing.count,
      ...recovery.metrics(),
      ...(statistics.value && { client: statistics.value }),
    };
  }
}
