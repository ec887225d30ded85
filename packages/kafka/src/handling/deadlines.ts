import type { Cancellable, Clock } from "@millrace/streams";
import type { RunningAttempt } from "./running-attempt.js";

/**
 * Attempts that each may take the same time, in the order of their starts, so that one timer does for all: it runs to
 * the deadline of the first.
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #ms: number;
  readonly #onOver: (attempt: RunningAttempt) => void;
  #first: RunningAttempt | undefined;
  #last: RunningAttempt | undefined;
  #timer: Cancellable | undefined;
  #closed = false;

  constructor(clock: Clock, ms: number, onOver: (attempt: RunningAttempt) => void) {
    this.#clock = clock;
    this.#ms = ms;
    this.#onOver = onOver;
  }

  add(attempt: RunningAttempt): void {
    attempt.within = this;
    attempt.before = this.#last;
    if (this.#last) this.#last.after = attempt;
    else this.#first = attempt;
    this.#last = attempt;
    if (!this.#timer && !this.#closed) this.#arm(attempt.startedAt + this.#ms - this.#clock.now());
  }

  /** It has ended, or its time is over. Only for one that is in. */
  remove(attempt: RunningAttempt): void {
    const { before, after } = attempt;
    if (before) before.after = after;
    else this.#first = after;
    if (after) after.before = before;
    else this.#last = before;
    attempt.before = undefined;
    attempt.after = undefined;
    attempt.within = undefined;
  }

  /** All that are in. */
  *attempts(): Iterable<RunningAttempt> {
    for (let at = this.#first; at; at = at.after) yield at;
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #arm(ms: number): void {
    this.#timer = this.#clock.schedule(ms, () => {
      this.#timer = undefined;
      this.#look();
    });
  }

  #look(): void {
    const now = this.#clock.now();
    for (let first = this.#first; first; first = this.#first) {
      const left = first.startedAt + this.#ms - now;
      // A timer may be early by a part of a millisecond.
      if (left > 0.5) return this.#arm(left);
      this.remove(first);
      this.#onOver(first);
    }
  }
}
