import type { Hands, Read, Rules } from "./hand-made.js";

/**
 * A consumer that handles one chunk after the other and commits what follows each, as Spring's container does: while it is
 * busy everything is paused, and the polls only keep it in its group. What they bring all the same it keeps for later.
 */
export class SerialConsumer implements Rules {
  protected readonly hands: Hands;
  protected readonly owned: Set<number> = new Set<number>();
  protected waiting: Read[] = [];
  protected busy = false;
  /** Something has failed, and will be handled again. */
  protected retrying = false;
  #handled: readonly Read[] = [];
  /** Read under an assignment that has ended. */
  readonly #stale = new WeakSet<Read>();

  constructor(hands: Hands) {
    this.hands = hands;
  }

  onAssign(partitions: readonly number[]): void {
    for (const partition of partitions) this.owned.add(partition);
  }

  onRevoke(partitions: readonly number[]): Promise<void> | void {
    this.onLost(partitions);
  }

  onLost(partitions: readonly number[]): void {
    for (const partition of partitions) this.owned.delete(partition);
    // The client remembers a pause until they come back.
    this.hands.resume(partitions);
    for (const read of this.#handled) if (partitions.includes(read.partition)) this.#stale.add(read);
    this.waiting = this.waiting.filter(({ partition }) => !partitions.includes(partition));
  }

  onRead(records: readonly Read[]): void {
    this.waiting.push(...records);
    if (!this.busy) this.hands.beside(this.whileBusy(() => this.#handleAll()));
  }

  async onStop(): Promise<void> {
    await this.hands.until(() => !this.busy, 60_000);
  }

  /** Handles what is owned of a chunk and commits it; answers what is to be handled again. */
  protected async handle(records: readonly Read[]): Promise<readonly Read[]> {
    for (const [index, read] of records.entries()) {
      if (this.#stale.has(read)) continue;
      try {
        await this.hands.world.effect(read.id);
      } catch {
        this.retrying = true;
        await this.commitAll(records.slice(0, index)).catch(() => undefined);
        await this.hands.world.sleep(200);
        return records.slice(index);
      }
    }
    this.retrying = false;
    // The next commit covers one that fails.
    await this.commitAll(records).catch(() => undefined);
    return [];
  }

  protected async commitAll(records: readonly Read[]): Promise<void> {
    const current = records.filter((read) => !this.#stale.has(read));
    const last = new Map(current.map((read) => [read.partition, read]));
    await this.hands.commit([...last.values()].map(({ partition, offset }) => ({ partition, offset: offset + 1 })));
  }

  protected async whileBusy(work: () => Promise<void>): Promise<void> {
    this.busy = true;
    this.hands.pause([...this.owned]);
    try {
      await work();
    } finally {
      this.busy = false;
      if (!this.hands.closed) this.hands.resume([...this.owned]);
    }
  }

  async #handleAll(): Promise<void> {
    while (this.waiting.length > 0) {
      this.#handled = this.waiting.splice(0);
      const again = await this.handle(this.#handled);
      this.waiting.unshift(...again.filter((read) => !this.#stale.has(read)));
    }
  }
}
