import type { Cancellable, Clock } from "@millrace/streams";

export interface RestartBackoff {
  readonly minMs: number;
  readonly maxMs: number;
}

/** When partitions whose streams have ended are read again: later each time, unless there was progress. */
export class PartitionRestarts {
  readonly #clock: Clock;
  readonly #backoff: RestartBackoff;
  readonly #delays = new Map<string, number>();
  readonly #timers = new Set<Cancellable>();
  #closed = false;

  constructor(clock: Clock, backoff: RestartBackoff) {
    this.#clock = clock;
    this.#backoff = backoff;
  }

  /** Calls `restart` after the partition's delay; `progressed` says that something was finished since the last time. */
  schedule(key: string, progressed: boolean, restart: () => void): void {
    if (this.#closed) return;
    const { minMs, maxMs } = this.#backoff;
    const before = this.#delays.get(key);
    const delayMs = progressed || before === undefined ? minMs : Math.min(2 * before, maxMs);
    this.#delays.set(key, delayMs);
    const timer = this.#clock.schedule(delayMs, () => {
      this.#timers.delete(timer);
      restart();
    });
    this.#timers.add(timer);
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }
}
