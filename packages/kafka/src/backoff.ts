export interface BackoffOptions {
  readonly minMs: number;
  readonly maxMs: number;
  /** Up to so much of a delay is added to it at random; default 0. */
  readonly randomFactor?: number;
  /** From 0 to 1. */
  readonly random?: () => number;
}

/** Delays that double from one failure to the next, until there was progress. */
export class Backoff {
  readonly #options: BackoffOptions;
  #last: number | undefined;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** The next delay, in milliseconds. */
  next(): number {
    const { minMs, maxMs, randomFactor = 0, random = Math.random } = this.#options;
    this.#last = this.#last === undefined ? minMs : Math.min(2 * this.#last, maxMs);
    return randomFactor === 0 ? this.#last : this.#last * (1 + randomFactor * random());
  }

  /** There was progress: the next delay is the shortest again. */
  reset(): void {
    this.#last = undefined;
  }
}
