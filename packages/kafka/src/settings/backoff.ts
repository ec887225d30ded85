import { promiseOf } from "@millrace/streams/stage";
import { KafkaConnectorError } from "../errors/errors.js";

export interface BackoffOptions {
  readonly minMs: number;
  readonly maxMs: number;
  /** Up to this fraction of a delay is added at random; default 0. */
  readonly randomFactor?: number;
  /** From 0 to 1. */
  readonly random?: () => number;
}

/** What the user's function draws, checked: any other value would mean no delay. */
const drawnBy = (random: () => number): number => {
  const drawn: unknown = random();
  if (typeof drawn === "number" && drawn >= 0 && drawn <= 1) return drawn;
  promiseOf(drawn)?.catch(() => undefined);
  throw new KafkaConnectorError("INVALID_SETTINGS", "random has to answer a number from 0 to 1, at once.");
};

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
    return randomFactor === 0 ? this.#last : this.#last * (1 + randomFactor * drawnBy(random));
  }

  /** There was progress: the next delay is the shortest again. */
  reset(): void {
    this.#last = undefined;
  }
}
