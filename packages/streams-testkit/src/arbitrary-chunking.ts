import { DONE, nextTurn, type Pull, type Pulled, soon, WAIT, type Wake } from "@millrace/streams/stage";
import type { Wrap } from "./checked.js";
import { randomOf } from "./random.js";

/** How often it answers `WAIT` although it could answer. */
const WAITS = 0.2;

/** How often it reads ahead, to merge chunks, although it holds elements. */
const MERGES = 0.3;

/** Read ahead at most so far. */
const HELD_ELEMENTS = 64;

/** Splits, merges and delays what passes; the elements and their order stay. */
class Rechunked<A> implements Pull<A> {
  readonly #upstream: Pull<A>;
  readonly #random: () => number;
  readonly #onUpstream: Wake = () => {
    this.#upstreamWaits = false;
    this.#notify();
  };
  #held: A[] = [];
  #ask: { readonly wake: Wake } | undefined;
  #upstreamWaits = false;
  #end: { readonly failure?: { readonly error: unknown } } | undefined;
  #endAnswered = false;
  #cancelled = false;

  constructor(upstream: Pull<A>, random: () => number) {
    this.#upstream = upstream;
    this.#random = random;
  }

  pull(wake: Wake): Pulled<A> {
    if (this.#cancelled) return DONE;
    if (!this.#endAnswered && this.#random() < WAITS) return this.#answerLater(wake);
    if (this.#held.length === 0) this.#gather();
    while (this.#held.length > 0 && this.#held.length < HELD_ELEMENTS && this.#random() < MERGES) {
      if (!this.#gather()) break;
    }
    // Cancelled by a function upstream, from inside this pull: the answer is ignored.
    if (this.#cancelled) return DONE;
    if (this.#held.length > 0) return this.#held.splice(0, 1 + Math.floor(this.#random() * this.#held.length));
    if (!this.#end) {
      this.#ask = { wake };
      return WAIT;
    }
    this.#endAnswered = true;
    if (this.#end.failure) throw this.#end.failure.error;
    return DONE;
  }

  #answerLater(wake: Wake): typeof WAIT {
    const ask = { wake };
    this.#ask = ask;
    const later = this.#random() < 0.5 ? soon : nextTurn;
    later(() => {
      if (this.#ask === ask) this.#notify();
    });
    return WAIT;
  }

  /** Whether a chunk was there. */
  #gather(): boolean {
    if (this.#end || this.#upstreamWaits || this.#cancelled) return false;
    let pulled: Pulled<A>;
    try {
      pulled = this.#upstream.pull(this.#onUpstream);
    } catch (error) {
      this.#end = { failure: { error } };
      return false;
    }
    if (pulled === WAIT) this.#upstreamWaits = true;
    else if (pulled === DONE) this.#end = {};
    else for (const element of pulled) this.#held.push(element);
    return typeof pulled !== "symbol";
  }

  #notify(): void {
    const ask = this.#ask;
    this.#ask = undefined;
    ask?.wake();
  }

  cancel(cause: unknown): void {
    if (this.#cancelled) return;
    this.#cancelled = true;
    this.#ask = undefined;
    this.#held = [];
    if (!this.#end) this.#upstream.cancel(cause);
  }
}

/**
 * Re-splits and merges chunks at random, answers `WAIT` at random and wakes later, on every outlet; the same seed gives
 * the same chunks. It reads ahead by a chunk or two, so it is not for tests that count demand.
 */
export const arbitraryChunking = (seed: number): Wrap => {
  let outlets = 0;
  return (outlet) => new Rechunked(outlet, randomOf(seed * 7919 + outlets++));
};
