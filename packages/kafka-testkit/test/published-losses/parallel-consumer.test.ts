import type { Position, Read } from "./support/hand-made.js";
import { millrace } from "./support/millrace.js";
import { publishedLoss } from "./support/published-loss.js";
import { type Task, Tracker, TrackingConsumer } from "./support/tracking-consumer.js";

/**
 * A position was computed from the highest offset *seen*. When partitions were revoked between the poll and the run of a
 * record, the record left the books as stale; with nothing unfinished left in them, the periodic committer stored the highest
 * seen offset, which nobody had worked on.
 */
class HighestSeen extends TrackingConsumer {
  override async onRevoke(partitions: readonly number[]): Promise<void> {
    for (const { read, tracker } of this.drop(partitions)) tracker.end(read.offset);
    await super.onRevoke(partitions);
  }
}

/**
 * Work waits in a map by offset. After partitions had gone and come back, a record that was read anew found its place taken
 * by its own, stale, container of the assignment before, and was dropped for it. The stale one is never run, so the record
 * is not either, and its partition's position stands still until a restart.
 */
class StaleContainer extends TrackingConsumer {
  protected override enqueue(task: Task): void {
    const { partition, offset } = task.read;
    const taken = this.waiting.some(({ read }) => read.partition === partition && read.offset === offset);
    if (!taken) super.enqueue(task);
  }

  /** Stale ones are swept up later. */
  protected override drop(): readonly Task[] {
    return [];
  }
}

/** Knows what was finished under earlier assignments as well. */
class ResumedTracker extends Tracker {
  readonly before: ReadonlySet<number>;
  readonly #finished: Set<number>;

  constructor(partition: number, finished: readonly number[]) {
    super(partition);
    this.before = new Set(finished);
    this.#finished = new Set(finished);
  }

  override end(offset: number): void {
    super.end(offset);
    this.#finished.add(offset);
  }

  override get position(): number {
    const position = super.position;
    return this.idle && position > 0 ? Math.max(position, ...[...this.before].map((offset) => offset + 1)) : position;
  }

  get metadata(): string {
    return JSON.stringify([...this.#finished].filter((offset) => offset > this.position));
  }
}

/**
 * What is finished above the position is kept in the commit's metadata. After an assignment with such metadata only records
 * that had been read again counted as unfinished; so the first success below the highest finished offset moved the position
 * above that one, over all that had not been read yet. It could even point past the end of the log, from where it was reset.
 */
class AheadOfItsReads extends TrackingConsumer {
  override async onAssign(partitions: readonly number[]): Promise<void> {
    const stored = await this.hands.committed(partitions).catch(() => []);
    for (const partition of partitions) {
      const metadata = stored.find((each) => each.partition === partition)?.metadata;
      this.owned.set(partition, new ResumedTracker(partition, JSON.parse(metadata ?? "[]") as number[]));
    }
  }

  protected override async work(task: Task): Promise<void> {
    const { tracker, read } = task;
    if (tracker instanceof ResumedTracker && tracker.before.has(read.offset)) tracker.end(read.offset);
    else await super.work(task);
  }

  protected override async commitTimely(): Promise<void> {
    await super.commitTimely();
    this.hands.resume([...this.owned.values()].filter(({ idle }) => idle).map(({ partition }) => partition));
  }

  /** What is read is worked on before more is. */
  override onRead(records: readonly Read[]): void {
    this.hands.pause(records.map(({ partition }) => partition));
    super.onRead(records);
  }

  protected override positionOf(tracker: Tracker): Position {
    const position = super.positionOf(tracker);
    return tracker instanceof ResumedTracker ? { ...position, metadata: tracker.metadata } : position;
  }
}

describe("Confluent Parallel Consumer", () => {
  publishedLoss("PC #826: a position above what was seen and never run", {
    copy: (hands) => new HighestSeen(hands, 1),
    found: ["LOST", "UNSAFE_COMMIT"],
    conditions: { processes: 2 },
  });

  publishedLoss("PC #909: a record dropped for the stale one in its place", {
    copy: (hands) => new StaleContainer(hands, 1),
    found: ["STUCK"],
    conditions: { records: 12, withinMs: 20_000 },
  });

  publishedLoss("PC #894: a position above records that are not read again yet", {
    copy: (hands) => new AheadOfItsReads(hands, 8),
    found: ["LOST", "UNSAFE_COMMIT"],
    conditions: { records: 10, partitions: 1 },
    twin: millrace(8, { rememberFinished: true }),
  });
});
