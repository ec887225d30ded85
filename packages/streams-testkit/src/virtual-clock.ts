import { type Cancellable, type Clock, StreamError } from "@millrace/streams";
import { settle } from "./settle.js";

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

/** Time that passes only by `advance`; starts at 0. Give it to a run as `clock`. */
export class VirtualClock implements Clock {
  /** Ordered by time; timers of the same time in the order they were set. */
  readonly #timers: Timer[] = [];
  #now = 0;
  #advancing = false;

  now(): number {
    return this.#now;
  }

  /** Timers that are set and not yet due. */
  get pending(): number {
    return this.#timers.length;
  }

  schedule(delayMs: number, f: () => void): Cancellable {
    const timer: Timer = { at: this.#now + Math.max(0, delayMs), run: f };
    const later = this.#timers.findIndex((other) => other.at > timer.at);
    this.#timers.splice(later === -1 ? this.#timers.length : later, 0, timer);
    return {
      cancel: () => {
        const index = this.#timers.indexOf(timer);
        if (index !== -1) this.#timers.splice(index, 1);
      },
    };
  }

  /**
   * Passes `ms` milliseconds: runs what is due in order of time, and lets the streams come to rest after each timer, so
   * that what a timer sets in motion sees the right time. One call at a time.
   */
  async advance(ms: number): Promise<void> {
    if (this.#advancing) throw new StreamError("INVALID_ARGUMENT", "advance: await the call under way first");
    this.#advancing = true;
    try {
      const until = this.#now + ms;
      await settle();
      for (let timer = this.#timers[0]; timer && timer.at <= until; timer = this.#timers[0]) {
        this.#timers.shift();
        this.#now = timer.at;
        timer.run();
        await settle();
      }
      this.#now = until;
    } finally {
      this.#advancing = false;
    }
  }
}

/** A new clock at time 0. */
export const virtualClock = (): VirtualClock => new VirtualClock();
