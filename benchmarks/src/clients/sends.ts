import { SENDS_IN_FLIGHT } from "./job.js";

/** Sends under way, bounded, and ended in the order in which they were begun. */
export class Sends {
  readonly #onFailure: (error: unknown) => void;
  readonly #limit: number;
  #inFlight = 0;
  #tail: Promise<unknown> = Promise.resolve();
  #waiting: (() => void)[] = [];

  constructor(onFailure: (error: unknown) => void, limit = SENDS_IN_FLIGHT) {
    this.#onFailure = onFailure;
    this.#limit = limit;
  }

  /** Calls `then` once this send and all before it are acknowledged. Resolves when one more may be begun. */
  async add(sent: Promise<unknown>, then: () => void): Promise<void> {
    this.#inFlight += 1;
    this.#tail = Promise.all([this.#tail, sent]).then(() => {
      this.#inFlight -= 1;
      then();
      for (const resume of this.#waiting.splice(0)) resume();
    });
    this.#tail.catch(this.#onFailure);
    while (this.#inFlight >= this.#limit) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
