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

  /** Sends as soon as one more may be under way; calls `then` once that and all before it are acknowledged. */
  async add(send: () => Promise<unknown>, then: () => void): Promise<void> {
    while (this.#inFlight >= this.#limit) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#inFlight += 1;
    this.#tail = Promise.all([this.#tail, send()]).then(() => {
      this.#inFlight -= 1;
      then();
      for (const resume of this.#waiting.splice(0)) resume();
    });
    this.#tail.catch(this.#onFailure);
  }
}
