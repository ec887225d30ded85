import type { Blueprint } from "../blueprint/blueprint.js";
import { budgetSpent } from "./budget.js";
import { nextTurn } from "./host.js";
import { materializeOutlet } from "./materialize.js";
import { type Chunk, DONE, NO_MORE_ELEMENTS, type Pull, type Pulled, WAIT } from "./pull.js";
import { type EndOfTerminal, Run, type RunOptions } from "./run.js";

interface Waiter<A> {
  readonly resolve: (result: IteratorResult<A>) => void;
  readonly reject: (error: unknown) => void;
}

const END: IteratorReturnResult<undefined> = { done: true, value: undefined };

/** `for await` over a source: answers from the chunk at hand, so that an element costs one settled promise. */
class OutletIterator<A> implements AsyncIterableIterator<A> {
  readonly #outlet: Pull<A>;
  readonly #end: EndOfTerminal;
  readonly #run: Run;
  #chunk: Chunk<A> = [];
  #next = 0;
  #waiters: Waiter<A>[] = [];
  #asking = false;
  #ended = false;

  constructor(blueprint: Blueprint, options: RunOptions | undefined) {
    const run = Run.create(options);
    try {
      this.#outlet = materializeOutlet<A>(blueprint, run);
    } catch (error) {
      run.abandon(error);
      throw error;
    }
    this.#run = run;
    this.#end = run.terminal(() => undefined);
    run.start();
  }

  next(): Promise<IteratorResult<A>> {
    if (this.#next < this.#chunk.length) {
      return Promise.resolve({ done: false, value: this.#chunk[this.#next++] as A });
    }
    return this.#wait();
  }

  /** Apart from `next`, whose every call would otherwise pay for the closure's context. */
  #wait(): Promise<IteratorResult<A>> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      if (!this.#asking) this.#ask();
    });
  }

  /** Called when the loop is left early. */
  return(): Promise<IteratorResult<A>> {
    this.#chunk = [];
    this.#next = 0;
    if (!this.#ended) {
      this.#ended = true;
      this.#asking = false;
      this.#outlet.cancel(NO_MORE_ELEMENTS);
      this.#end();
    }
    for (const waiter of this.#waiters.splice(0)) waiter.resolve(END);
    return Promise.resolve(END);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  readonly #ask = (): void => {
    while (this.#waiters.length > 0) {
      if (this.#next < this.#chunk.length) {
        this.#waiters.shift()?.resolve({ done: false, value: this.#chunk[this.#next++] as A });
        continue;
      }
      if (this.#ended) {
        for (const waiter of this.#waiters.splice(0)) waiter.resolve(END);
        return;
      }
      if (!this.#refill()) return;
    }
  };

  readonly #onWake = (): void => {
    this.#asking = false;
    this.#ask();
  };

  /** Whether the loop in `#ask` can go on now. */
  #refill(): boolean {
    if (budgetSpent(this.#chunk.length)) {
      this.#asking = true;
      this.#chunk = [];
      this.#next = 0;
      nextTurn(this.#onWake);
      return false;
    }
    let pulled: Pulled<A>;
    try {
      pulled = this.#outlet.pull(this.#onWake);
    } catch (error) {
      this.#ended = true;
      this.#run.heard(error);
      this.#end({ error });
      this.#waiters.shift()?.reject(error);
      return true;
    }
    if (pulled === WAIT) {
      this.#asking = true;
      return false;
    }
    if (pulled === DONE) {
      this.#ended = true;
      this.#end();
    } else {
      this.#chunk = pulled;
      this.#next = 0;
    }
    return true;
  }
}

/** Runs an open graph as an async iterator; leaving the loop cancels the stream. */
export const iterate = <A>(blueprint: Blueprint, options?: RunOptions): AsyncIterableIterator<A> =>
  new OutletIterator<A>(blueprint, options);
