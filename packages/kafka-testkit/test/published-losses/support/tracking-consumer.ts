import type { Hands, Position, Read, Rules } from "./hand-made.js";

const COMMIT_EVERY_MS = 60;
const REVOKE_MS = 4000;

/** One partition under one assignment: what was read of it in order, and what of that is done. */
export class Tracker {
  readonly partition: number;
  readonly #seen: number[] = [];
  readonly #done = new Set<number>();
  /** The partition was given up, so nothing that still ends matters. */
  fenced = false;
  committed = 0;

  constructor(partition: number) {
    this.partition = partition;
  }

  open(offset: number): void {
    this.#seen.push(offset);
  }

  end(offset: number): void {
    this.#done.add(offset);
  }

  get idle(): boolean {
    return this.#seen.every((offset) => this.#done.has(offset));
  }

  /** What was read first and is not done; else what comes after the last. */
  get position(): number {
    const last = this.#seen.at(-1);
    return this.#seen.find((offset) => !this.#done.has(offset)) ?? (last === undefined ? 0 : last + 1);
  }
}

export interface Task {
  readonly read: Read;
  readonly tracker: Tracker;
}

/**
 * A consumer that does everything right: two records at a time in no order, gap-free commits, a partition that is given up
 * only when its work is done and committed. The copies of the peers' defects change one thing in it.
 */
export class TrackingConsumer implements Rules {
  protected readonly hands: Hands;
  protected readonly owned: Map<number, Tracker> = new Map<number, Tracker>();
  protected waiting: Task[] = [];
  readonly #limit: number;
  #working = 0;
  #stopped = false;

  constructor(hands: Hands, limit = 2) {
    this.hands = hands;
    this.#limit = limit;
    hands.every(COMMIT_EVERY_MS, () => this.commitTimely());
  }

  onAssign(partitions: readonly number[]): Promise<void> | void {
    for (const partition of partitions) this.owned.set(partition, new Tracker(partition));
  }

  async onRevoke(partitions: readonly number[]): Promise<void> {
    const trackers = partitions.flatMap((partition) => this.owned.get(partition) ?? []);
    if (!this.#stopped) await this.hands.until(() => trackers.every(({ idle }) => idle), REVOKE_MS);
    // A closing client commits nothing more.
    if (!this.hands.closed) await this.commitNow(trackers).catch(() => undefined);
    this.giveUp(partitions);
  }

  onLost(partitions: readonly number[]): void {
    this.giveUp(partitions);
  }

  onRead(records: readonly Read[]): void {
    for (const read of records) {
      const tracker = this.owned.get(read.partition);
      if (!tracker) continue;
      tracker.open(read.offset);
      this.enqueue({ read, tracker });
    }
    this.#pump();
  }

  async onStop(): Promise<void> {
    await this.hands.until(() => [...this.owned.values()].every(({ idle }) => idle), REVOKE_MS);
    this.#stopped = true;
    await this.commitNow([...this.owned.values()]).catch(() => undefined);
  }

  protected enqueue(task: Task): void {
    this.waiting.push(task);
  }

  /** Takes what waits of these partitions away. */
  protected drop(partitions: readonly number[]): readonly Task[] {
    const dropped = this.waiting.filter(({ read }) => partitions.includes(read.partition));
    this.waiting = this.waiting.filter((task) => !dropped.includes(task));
    return dropped;
  }

  protected giveUp(partitions: readonly number[]): void {
    this.drop(partitions);
    for (const partition of partitions) {
      const tracker = this.owned.get(partition);
      if (tracker) tracker.fenced = true;
      this.owned.delete(partition);
    }
  }

  protected positionOf({ partition, position }: Tracker): Position {
    return { partition, offset: position };
  }

  /** Between two polls; what fails is covered by the next. */
  protected async commitTimely(): Promise<void> {
    await this.commitNow([...this.owned.values()]).catch(() => undefined);
  }

  protected async commitNow(trackers: readonly Tracker[]): Promise<void> {
    const news = trackers.filter(({ position, committed }) => position > committed);
    const positions = news.map((tracker) => this.positionOf(tracker));
    await this.hands.commit(positions);
    news.forEach((tracker, index) => {
      tracker.committed = positions[index]?.offset ?? 0;
    });
  }

  protected async work({ read, tracker }: Task): Promise<void> {
    await this.hands.world.effect(read.id);
    tracker.end(read.offset);
  }

  #pump(): void {
    while (this.#working < this.#limit) {
      const task = this.waiting.shift();
      if (!task) return;
      if (task.tracker.fenced) continue;
      this.#working += 1;
      const worked = this.work(task).finally(() => {
        this.#working -= 1;
        this.#pump();
      });
      this.hands.beside(worked);
    }
  }
}
