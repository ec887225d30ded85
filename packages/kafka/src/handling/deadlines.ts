import type { Cancellable, Clock } from "@millrace/streams";

/** Something under way that may take so long. */
export interface Timed {
  /** By the run's clock. */
  readonly startedAt: number;
  /** The list that it is in, and its neighbours there. */
  within: { remove(timed: Timed): void } | undefined;
  before: Timed | undefined;
  after: Timed | undefined;
}

/**
 * What may each take the same time, in the order of their starts, so that one timer does for all: it runs to the deadline
 * of the first.
 */
export class Deadlines<in out T extends Timed> {
  readonly #clock: Clock;
  readonly #ms: number;
  readonly #onOver: (timed: T) => void;
  #first: Timed | undefined;
  #last: Timed | undefined;
  #timer: Cancellable | undefined;
  #closed = false;

  constructor(clock: Clock, ms: number, onOver: (timed: T) => void) {
    this.#clock = clock;
    this.#ms = ms;
    this.#onOver = onOver;
  }

  add(timed: T): void {
    timed.within = this;
    timed.before = this.#last;
    if (this.#last) this.#last.after = timed;
    else this.#first = timed;
    this.#last = timed;
    if (!this.#timer && !this.#closed) this.#arm(timed.startedAt + this.#ms - this.#clock.now());
  }

  /** It has ended, or its time is over. Only for one that is in. */
  remove(timed: Timed): void {
    const { before, after } = timed;
    if (before) before.after = after;
    else this.#first = after;
    if (after) after.before = before;
    else this.#last = before;
    // An old dead one would keep its neighbours alive until a full collection.
    timed.before = undefined;
    timed.after = undefined;
    timed.within = undefined;
  }

  /** All that are in, in their order. */
  *all(): Iterable<T> {
    for (let at = this.#first; at; at = at.after) yield at as T;
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
      this.#onOver(first as T);
    }
  }
}
