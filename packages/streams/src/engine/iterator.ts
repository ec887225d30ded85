import type { Blueprint } from "../model/blueprint.js";
import { StreamError } from "../errors.js";
import { materializeOutlet } from "./materialize.js";
import { type Chunk, DONE, NO_MORE_ELEMENTS, type Pull, type Pulled, WAIT } from "../model/pull.js";
import type { Unclosed } from "./closing.js";
import { type EndOfTerminal, Run, type RunOptions } from "./run.js";

interface Waiter<A> {
  readonly resolve: (result: IteratorResult<A>) => void;
  readonly reject: (error: unknown) => void;
}

const END: IteratorReturnResult<undefined> = { done: true, value: undefined };

const nothing = (): void => undefined;

/** Cancels what is iterated; it must not reach the iterator, or that would never be collected. */
const leaving =
  (outlet: Pull<unknown>, end: EndOfTerminal): (() => void) =>
  () => {
    outlet.cancel(NO_MORE_ELEMENTS);
    end();
  };

/** Ends runs with something to close whose iterator was abandoned, once it is collected. */
const abandoned = new FinalizationRegistry<() => void>((leave) => leave());

/** `for await` over a source: answers from the chunk at hand, so that an element costs one settled promise. */
class OutletIterator<A> implements AsyncIterableIterator<A> {
  readonly #outlet: Pull<A>;
  readonly #end: EndOfTerminal;
  readonly #run: Run;
  #chunk: Chunk<A> = [];
  #next = 0;
  #waiters: Waiter<A>[] = [];
  #asking = false;
  /** The stages are at work for this iterator, on this stack. */
  #pulling = false;
  #ended = false;
  #registered = false;
  /** What the stream failed with, for the first call that asks. */
  #unreported: { readonly error: unknown } | undefined;

  constructor(blueprint: Blueprint, options: RunOptions | undefined) {
    const run = Run.create(options);
    try {
      this.#outlet = materializeOutlet<A>(blueprint, run);
    } catch (error) {
      run.abandon(error);
      throw error;
    }
    this.#run = run;
    this.#end = run.terminal(nothing);
    run.start();
    this.#rest();
  }

  #rest(): void {
    if (this.#run.rest() || this.#registered || this.#ended) return;
    this.#registered = true;
    abandoned.register(this, leaving(this.#outlet, this.#end), this);
  }

  #leave(failure?: Unclosed): void {
    this.#ended = true;
    if (this.#registered) abandoned.unregister(this);
    this.#run.whenClosed((unclosed) => {
      this.#unreported = failure ?? unclosed;
      // The iterating loop gets it, or was left and does not want it.
      if (this.#unreported) this.#run.heard(this.#unreported.error);
    });
    this.#end(failure);
  }

  /** The stream has ended by itself: calls are answered once what its stages left early is closed. */
  #finish(failure?: Unclosed): false {
    this.#asking = true;
    this.#leave(failure);
    this.#run.whenClosed(this.#onWake);
    return false;
  }

  #report(reject: (error: unknown) => void): boolean {
    const failure = this.#unreported;
    this.#unreported = undefined;
    if (failure) reject(failure.error);
    return failure !== undefined;
  }

  next(): Promise<IteratorResult<A>> {
    if (this.#next < this.#chunk.length) {
      return Promise.resolve({ done: false, value: this.#chunk[this.#next++] as A });
    }
    return this.#wait();
  }

  /** Separate from `next`, whose every call would otherwise pay for the closure's context. */
  #wait(): Promise<IteratorResult<A>> {
    if (this.#pulling) return Promise.reject(fromInside());
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      if (!this.#asking) this.#ask();
    });
  }

  /** Called when the loop is left early; settles once what the stages close is closed. */
  return(): Promise<IteratorResult<A>> {
    this.#chunk = [];
    this.#next = 0;
    if (!this.#ended) {
      this.#asking = false;
      this.#ended = true;
      this.#outlet.cancel(NO_MORE_ELEMENTS);
      this.#leave();
    }
    for (const waiter of this.#waiters.splice(0)) waiter.resolve(END);
    return new Promise((resolve, reject) => {
      this.#run.whenClosed(() => {
        if (!this.#report(reject)) resolve(END);
      });
    });
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
        const [first, ...others] = this.#waiters.splice(0);
        if (first && !this.#report(first.reject)) first.resolve(END);
        for (const waiter of others) waiter.resolve(END);
        return;
      }
      if (!this.#refill()) return;
    }
  };

  readonly #onWake = (): void => {
    this.#asking = false;
    this.#ask();
    if (!this.#asking) this.#rest();
  };

  /** What was asked for comes later. */
  #later(): false {
    this.#asking = true;
    this.#run.resume();
    return false;
  }

  /** Whether the loop in `#ask` can go on now. */
  #refill(): boolean {
    if (this.#run.share.spent(this.#chunk.length)) {
      this.#chunk = [];
      this.#next = 0;
      this.#run.share.later(this.#onWake);
      return this.#later();
    }
    let pulled: Pulled<A>;
    this.#pulling = true;
    try {
      pulled = this.#outlet.pull(this.#onWake);
    } catch (error) {
      return this.#ended || this.#finish({ error });
    } finally {
      this.#pulling = false;
    }
    // A stage may have left the loop from inside this pull.
    if (this.#ended) return true;
    if (pulled === WAIT) return this.#later();
    if (pulled === DONE) return this.#finish();
    this.#chunk = pulled;
    this.#next = 0;
    return true;
  }
}

const fromInside = (): StreamError =>
  new StreamError(
    "ITERATED_FROM_INSIDE",
    "iterate: next() was called by a stage of the stream that is iterated, which would wait for itself; " +
      "call it outside the stream's functions, or iterate the source a second time",
  );

/** Runs an open graph as an async iterator; leaving the loop cancels the stream. */
export const iterate = <A>(blueprint: Blueprint, options?: RunOptions): AsyncIterableIterator<A> =>
  new OutletIterator<A>(blueprint, options);
