import type { Cancellable, Clock } from "@millrace/streams";
import { Backoff } from "../../settings/backoff.js";

export interface RestartBackoff {
  readonly minMs: number;
  readonly maxMs: number;
}

/** When partitions whose streams have ended are read again: later each time, unless there was progress. */
export class PartitionRestarts {
  readonly #clock: Clock;
  readonly #settings: RestartBackoff;
  readonly #backoffs = new Map<string, Backoff>();
  readonly #timers = new Set<Cancellable>();
  #closed = false;

  constructor(clock: Clock, settings: RestartBackoff) {
    this.#clock = clock;
    this.#settings = settings;
  }

  /** Calls `restart` after the partition's delay; `progressed` says that something was finished since the last time. */
  schedule(key: string, progressed: boolean, restart: () => void): void {
    if (this.#closed) return;
    const timer = this.#clock.schedule(this.#delayOf(key, progressed), () => {
      this.#timers.delete(timer);
      restart();
    });
    this.#timers.add(timer);
  }

  #delayOf(key: string, progressed: boolean): number {
    let backoff = this.#backoffs.get(key);
    if (!backoff) this.#backoffs.set(key, (backoff = new Backoff(this.#settings)));
    if (progressed) backoff.reset();
    return backoff.next();
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }
}
