import type { Cancellable } from "@millrace/streams";
import { partitionOf } from "../../client/partition-key.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";
import type { SessionContext } from "../rebalancing/session-context.js";

/** After an assignment: long enough for a first record, and for most that delays one. */
const QUIET_MS = 10_000;

/**
 * Partitions that begin where the group was and have given nothing for a while: the client may wait for an open
 * transaction to end, and says nothing. So their positions are looked up separately, which shows where they are held.
 */
export class HeldStarts {
  readonly #context: SessionContext;
  readonly #timers = new Set<Cancellable>();

  constructor(context: SessionContext) {
    this.#context = context;
  }

  taken(partitions: readonly OwnedPartition[]): void {
    const timer = this.#context.clock.schedule(QUIET_MS, () => {
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
    const { client, assignment, settings } = this.#context;
    const silent = partitions.filter((owned) => assignment.get(owned) === owned && owned.reading.from === undefined);
    // The answer is for the client to act on.
    if (silent.length > 0) client.committed(silent.map(partitionOf), settings.lookupTimeoutMs).catch(() => undefined);
  }
}
