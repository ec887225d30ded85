import { type Chunk, DONE, type Pull, type Pulled, WAIT, type Wake } from "../model/pull.js";

/**
 * One of several upstreams of a junction: remembers that it waits, so that it is not pulled twice, and that it ended.
 */
export class Inlet<A> {
  readonly #upstream: Pull<A>;
  readonly #onWake: Wake;
  #waits = false;
  #done = false;

  constructor(upstream: Pull<A>, onWake: Wake) {
    this.#upstream = upstream;
    this.#onWake = () => {
      this.#waits = false;
      onWake();
    };
  }

  get done(): boolean {
    return this.#done;
  }

  /** Has been asked, and has not answered yet. */
  get waits(): boolean {
    return this.#waits;
  }

  /** The next chunk, or `undefined` when there is none now. Throws what upstream throws. */
  take(): Chunk<A> | undefined {
    if (this.#done || this.#waits) return undefined;
    let pulled: Pulled<A>;
    try {
      pulled = this.#upstream.pull(this.#onWake);
    } catch (error) {
      this.#done = true;
      throw error;
    }
    if (pulled === WAIT) this.#waits = true;
    else if (pulled === DONE) this.#done = true;
    else return pulled;
    return undefined;
  }

  cancel(cause: unknown): void {
    if (this.#done) return;
    this.#done = true;
    this.#upstream.cancel(cause);
  }
}

/** The wake of one downstream, which any of several upstreams may call first. */
export class Waker {
  #wake: Wake | undefined;

  readonly notify = (): void => {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  };

  /** Answers `WAIT` and remembers whom to wake. */
  wait(wake: Wake): typeof WAIT {
    this.#wake = wake;
    return WAIT;
  }

  clear(): void {
    this.#wake = undefined;
  }
}
