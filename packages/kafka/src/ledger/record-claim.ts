import type { Outcome } from "./partition-ledger.js";

/** Whom a claim tells of its end. */
export interface ClaimOwner {
  end(sequence: number, outcome: Outcome): void;
}

/**
 * The right, and the duty, to finish one record of a followed source. It has ended once all its shares have: a fork gives
 * each branch a share, and an element that becomes several gives each of them one.
 */
export class RecordClaim {
  readonly #owner: ClaimOwner;
  readonly sequence: number;
  readonly offset: number;
  readonly key: unknown;
  /** The next delivered record's claim: a list, because a long-lived array of young objects is dear to collect. */
  next: RecordClaim | undefined;
  #shares = 1;
  #stage = "source";
  #outcome: Outcome = "discarded";

  constructor(owner: ClaimOwner, sequence: number, offset: number, key: unknown) {
    this.#owner = owner;
    this.sequence = sequence;
    this.offset = offset;
    this.key = key;
  }

  /** Where its record was seen last. */
  get stage(): string {
    return this.#stage;
  }

  get ended(): boolean {
    return this.#shares === 0;
  }

  share(more: number): void {
    this.#shares += more;
  }

  /** Ends one share. The record was processed if any part of it was, else parked if any was, else discarded. */
  end(outcome: Outcome): void {
    if (outcome === "processed" || this.#outcome === "discarded") this.#outcome = outcome;
    this.#shares -= 1;
    if (this.#shares === 0) this.#owner.end(this.sequence, this.#outcome);
  }

  at(stage: string): void {
    this.#stage = stage;
  }
}
