import type { RecordChunk } from "@millrace/kafka";
import {
  checkDelivery,
  type CheckDeliveryOptions,
  type DeliveryFault,
  type DeliveryWorld,
} from "@millrace/kafka-testkit";
import { expect } from "chai";
import { caught } from "./support/caught.js";
import { PeerConsumer, type Tracked } from "./support/peer-consumer.js";

/** A commit, raced by a close or a revocation, takes the highest offset that was polled. */
class HighestSeen extends PeerConsumer {
  protected override positionOf({ next }: Tracked): number {
    return next;
  }
}

/** What an earlier assignment had open still counts: a record that comes again meanwhile is taken for known. */
class StaleContainer extends PeerConsumer {
  readonly #known = new Map<number, Set<number>>();

  protected override take(partition: number, offset: number, value: string): void {
    const tracked = this.tracked.get(partition);
    const known = this.#known.get(partition) ?? new Set();
    this.#known.set(partition, known);
    if (tracked && known.has(offset)) tracked.next = offset + 1;
    else super.take(partition, offset, value);
    known.add(offset);
  }

  protected override async onRevoke(partitions: readonly number[]): Promise<void> {
    this.onLost(partitions);
    await Promise.resolve();
  }
}

/** A revocation drops the window of what has not begun; what has begun marks the partition later, and past the window. */
class LateMark extends PeerConsumer {
  readonly #windows = new Map<Tracked, Set<number>>();

  protected override work(tracked: Tracked, offset: number, value: string): void {
    const waiting = this.#windows.get(tracked) ?? new Set();
    this.#windows.set(tracked, waiting.add(offset));
    void this.world.sleep(50).then(
      () => {
        if (waiting.delete(offset)) super.work(tracked, offset, value);
      },
      () => undefined,
    );
  }

  protected override onRevoke(partitions: readonly number[]): Promise<void> {
    for (const [tracked, waiting] of this.#windows) {
      if (!partitions.includes(tracked.partition)) continue;
      tracked.revoked = true;
      for (const offset of waiting) tracked.open.delete(offset);
      waiting.clear();
    }
    return Promise.resolve();
  }
}

/** What waits to be tried again is forgotten at an assignment, while the position is past it. */
class RetryForgotten extends PeerConsumer {
  #generation = 0;

  protected override onAssign(partitions: readonly number[]): void {
    super.onAssign(partitions);
    this.#generation += 1;
  }

  protected override onFailed(tracked: Tracked, offset: number, _error: unknown, value: string): void {
    const generation = this.#generation;
    void this.world.sleep(300).then(
      () => {
        if (generation === this.#generation) this.work(tracked, offset, value);
        else this.onDone(tracked, offset);
      },
      () => undefined,
    );
  }
}

/** A commit that fails makes the rest of what was fetched be left out, and no seek brings it back. */
class NoSeekAfterCommit extends PeerConsumer {
  #skips = false;

  protected override onCommitFailed(): void {
    this.#skips = true;
  }

  protected override take(partition: number, offset: number, value: string): void {
    const tracked = this.tracked.get(partition);
    if (this.#skips && tracked) tracked.next = offset + 1;
    else super.take(partition, offset, value);
  }

  protected override onPolled(_chunk: RecordChunk): void {
    queueMicrotask(() => {
      this.#skips = false;
    });
  }
}

/** At a revocation the position of the fetcher is committed, not that of the work. */
class FetchPosition extends PeerConsumer {
  protected override positionOf(tracked: Tracked): number {
    return tracked.revoked ? tracked.next : super.positionOf(tracked);
  }

  protected override async onRevoke(partitions: readonly number[]): Promise<void> {
    for (const partition of partitions) {
      const tracked = this.tracked.get(partition);
      if (tracked) tracked.revoked = true;
    }
    await this.commit().catch(() => undefined);
    this.onLost(partitions);
  }
}

/** After a second assignment records go to the queue of the first, which nobody reads any more. */
class OldQueue extends PeerConsumer {
  readonly #streams = new Map<number, number>();

  protected override onAssign(partitions: readonly number[]): void {
    super.onAssign(partitions);
    for (const partition of partitions) this.#streams.set(partition, (this.#streams.get(partition) ?? 0) + 1);
  }

  protected override take(partition: number, offset: number, value: string): void {
    const tracked = this.tracked.get(partition);
    if (tracked && (this.#streams.get(partition) ?? 0) > 1 && tracked.next === 0) tracked.next = offset + 1;
    else super.take(partition, offset, value);
  }
}

/** Every rebalance starts all streams anew; what they held of partitions that stay is thrown away. */
class RestartingStreams extends PeerConsumer {
  #epoch = 0;

  protected override onAssign(partitions: readonly number[]): void {
    super.onAssign(partitions);
    this.#epoch += 1;
    for (const { open } of this.tracked.values()) open.clear();
  }

  protected override work(tracked: Tracked, offset: number, value: string): void {
    const epoch = this.#epoch;
    void this.world.sleep(50).then(
      () => {
        if (epoch === this.#epoch) super.work(tracked, offset, value);
      },
      () => undefined,
    );
  }
}

/** While state is recovered, records that are polled all the same are dropped. */
class Recovering extends PeerConsumer {
  #recoveredAt = 0;

  protected override onAssign(partitions: readonly number[]): void {
    super.onAssign(partitions);
    this.#recoveredAt = this.world.clock.now() + 30;
  }

  protected override take(partition: number, offset: number, value: string): void {
    const tracked = this.tracked.get(partition);
    if (tracked && this.world.clock.now() < this.#recoveredAt) tracked.next = offset + 1;
    else super.take(partition, offset, value);
  }
}

/** Each poll commits what the poll before has brought, worked on or not. */
class CommitOnPoll extends PeerConsumer {
  readonly #polled = new Map<number, number>();

  protected override onPolled(_chunk: RecordChunk): void {
    for (const { partition, next } of this.tracked.values()) this.#polled.set(partition, next);
  }

  protected override positionOf(tracked: Tracked): number {
    return Math.min(tracked.next, this.#polled.get(tracked.partition) ?? tracked.committed);
  }
}

/** What was stored before a rebalance is committed after it. */
class StoredOffset extends PeerConsumer {
  readonly #stored = new Map<number, number>();

  protected override async onRevoke(partitions: readonly number[]): Promise<void> {
    for (const partition of partitions) {
      const tracked = this.tracked.get(partition);
      if (tracked) this.#stored.set(partition, Math.max(0, this.positionOf(tracked) - 1));
    }
    await super.onRevoke(partitions);
  }

  protected override positionOf(tracked: Tracked): number {
    const stored = this.#stored.get(tracked.partition);
    if (stored === undefined) return super.positionOf(tracked);
    this.#stored.delete(tracked.partition);
    return stored;
  }
}

/** What was done of a partition goes on being committed after the partition was lost. */
class CommitAfterLoss extends PeerConsumer {
  protected override async onRevoke(partitions: readonly number[]): Promise<void> {
    await super.onRevoke(partitions);
    for (const partition of partitions) this.tracked.delete(partition);
  }

  protected override onLost(): void {
    // Its offsets stay stored.
  }
}

interface Published {
  readonly build: new (world: DeliveryWorld) => PeerConsumer;
  /** Whichever comes first. */
  readonly codes: readonly DeliveryFault[];
  readonly options?: Partial<CheckDeliveryOptions>;
}

const pair = { processes: 2, runs: 1000 } as const;

const LOSSES: Readonly<Record<string, Published>> = {
  "parallel-consumer#826: the highest polled offset is committed": { build: HighestSeen, codes: ["LOST"] },
  "parallel-consumer#909: a record held by a stale container is dropped": {
    build: StaleContainer,
    codes: ["LOST"],
    options: pair,
  },
  "redpanda-connect#4009: a late mark for a revoked partition is committed": {
    build: LateMark,
    codes: ["LOST", "COMMIT_WENT_BACK"],
    options: pair,
  },
  "spring-kafka#4545: an assignment forgets what was to be tried again": {
    build: RetryForgotten,
    codes: ["LOST"],
    options: { ...pair, effectErrorRate: 0.3 },
  },
  "spring-kafka#3019: no seek follows a commit that failed": {
    build: NoSeekAfterCommit,
    codes: ["LOST"],
    options: { runs: 1000 },
  },
  "spring-kafka, events skipped in a rebalance: the fetch position is committed": {
    build: FetchPosition,
    codes: ["LOST"],
    options: pair,
  },
  "fs2-kafka#1051: records of a second assignment go to a queue that nobody reads": {
    build: OldQueue,
    codes: ["LOST"],
    options: pair,
  },
  "zio-kafka#500: streams that are started anew forget what they held": {
    build: RestartingStreams,
    codes: ["LOST"],
    options: pair,
  },
  "quix-streams#1146: records polled during a recovery are dropped": { build: Recovering, codes: ["LOST"] },
  "franz-go#57: a poll commits what the one before has brought": { build: CommitOnPoll, codes: ["LOST"] },
  "librdkafka#2782: an offset stored before a rebalance resets the position": {
    build: StoredOffset,
    codes: ["COMMIT_WENT_BACK"],
    options: pair,
  },
  "librdkafka#5604: a lost assignment is committed": {
    build: CommitAfterLoss,
    codes: ["COMMIT_WENT_BACK"],
    options: pair,
  },
};

describe("checkDelivery on the published losses of other clients, rebuilt in a small consumer", function () {
  this.timeout(120_000);

  for (const [name, { build: Build, codes, options }] of Object.entries(LOSSES)) {
    it(`finds ${name}`, async () => {
      const error = await caught((world) => new Build(world).graph(), options);
      expect(error.code, error.message).to.be.oneOf(codes);
    });
  }

  it("finds nothing in the consumer without a defect", async () => {
    for (const processes of [1, 2] as const) {
      await checkDelivery((world) => new PeerConsumer(world).graph(), {
        guarantee: "at-least-once",
        processes,
        effectErrorRate: 0.1,
        runs: 120,
      });
    }
  });
});
