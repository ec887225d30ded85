import type { Cancellable, Clock } from "@millrace/streams";
import type { RenewableClient } from "../../client/renewable-client.js";
import { placeOf } from "../../client/partition-key.js";
import type { Assignment } from "../partitions/assignment.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";

/** After an assignment: long enough for a first record, and for most that delays one. */
const QUIET_MS = 10_000;

export interface HeldStartsOptions {
  readonly client: Pick<RenewableClient, "committed">;
  readonly clock: Clock;
  readonly assignment: Assignment;
  readonly timeoutMs: number;
}

/**
 * Partitions that begin where the group was and have given nothing for a while: the client may wait for an open transaction
 * to end, and says nothing of it. So their positions are asked for beside it, which tells where they are held.
 */
export class HeldStarts {
  readonly #options: HeldStartsOptions;
  readonly #timers = new Set<Cancellable>();

  constructor(options: HeldStartsOptions) {
    this.#options = options;
  }

  taken(partitions: readonly OwnedPartition[]): void {
    const timer = this.#options.clock.schedule(QUIET_MS, () => {
      this.#timers.delete(timer);
      this.#ask(partitions);
    });
    this.#timers.add(timer);
  }

  close(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }

  #ask(partitions: readonly OwnedPartition[]): void {
    const { client, assignment, timeoutMs } = this.#options;
    const silent = partitions.filter((owned) => assignment.get(owned) === owned && owned.reading.from === undefined);
    // The answer is for the client to act on.
    if (silent.length > 0) client.committed(silent.map(placeOf), timeoutMs).catch(() => undefined);
  }
}
