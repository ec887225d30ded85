import type { TopicPartition, TopicPartitionOffset } from "../client/port.js";
import type { ClientStatistics, LatestStatistics } from "../client/statistics.js";
import { placeOf } from "../client/partition-key.js";
import type { HealthFacts, HealthReason } from "./recovery/health.js";
import type { Recovery, RecoveryMetrics } from "./recovery/recovery.js";
import type { Deliveries } from "./deliveries.js";
import type { Rebalancing } from "./rebalancing/rebalancing.js";
import type { SessionContext } from "./rebalancing/session-context.js";
import type { Seeking } from "./rebalancing/seeking.js";
import { addCounts } from "./partitions/partition-report.js";

/** How far a consumer is behind in one partition. */
export interface PartitionLag extends TopicPartition {
  /** The next offset to finish; where nobody finishes records, to deliver. */
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
  /** The client's own statistics, the latest; absent unless `kafka.statistics` asks for them, and until the first come. */
  readonly client?: ClientStatistics;
}

/** Of what else there is to know and to move. */
export interface Commanded {
  readonly deliveries: Pick<Deliveries, "onRoom">;
  readonly rebalancing: Pick<Rebalancing, "count">;
  readonly seeking: Seeking;
  readonly recovery: Recovery;
  readonly statistics: LatestStatistics;
}

/** What the user may do to a running consumer, and ask of it. */
export class Commands {
  readonly #context: SessionContext;
  readonly #parts: Commanded;

  constructor(context: SessionContext, parts: Commanded) {
    this.#context = context;
    this.#parts = parts;
  }

  setPaused(paused: boolean, partitions: readonly TopicPartition[] | undefined): void {
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
    const times = partitions.map((each) => ({ ...placeOf(each), timestamp }));
    const positions = await client.offsetsForTimes(times, settings.lookupTimeoutMs);
    await this.seek(positions);
    return positions;
  }

  assignment(): readonly TopicPartition[] {
    return [...this.#context.assignment.partitions].map(placeOf);
  }

  async lag(): Promise<readonly PartitionLag[]> {
    const { client, settings, assignment } = this.#context;
    const { lookupTimeoutMs: timeoutMs } = settings;
    const owned = [...assignment.partitions];
    const unread = owned.filter(({ position }) => position === undefined).map(placeOf);
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
  troubles(state: HealthFacts["state"], failure: HealthFacts["failure"]): readonly HealthReason[] {
    const { assignment, commits, client, clock } = this.#context;
    const { rebalancing, recovery } = this.#parts;
    return recovery.health.troubles({
      ...{ state, failure, commitFailure: commits.counts.lastFailure },
      assigned: rebalancing.count > 0 || assignment.size > 0,
      positionsHeldMs: client.positionsHeldMs(clock.now()),
      removedOffsets: recovery.removed.count,
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
