import { promiseOf } from "../../engine/answer.js";
import { DONE, type Pull, WAIT, type Wake } from "../../model/pull.js";
import type { Run } from "../../engine/run.js";
import type { SourceStage } from "../../model/stage.js";

const READY: readonly never[] = [];

/** How long a close waits for the pending `next()` of an async generator, which may never settle. */
const NEXT_GRACE_MS = 500;

/** One `next()` at a time, each element a chunk of one: gathering several would delay the first. */
class AsyncIterablePull<A> implements Pull<A> {
  readonly #elements: AsyncIterable<A>;
  readonly #share: Run["share"];
  readonly #run: Run;
  #iterator: AsyncIterator<A> | undefined;
  #answer: readonly A[] = READY;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;
  #wake: Wake | undefined;
  /** The `next()` that has not settled. */
  #next: Promise<unknown> | undefined;

  constructor(elements: AsyncIterable<A>, run: Run) {
    this.#elements = elements;
    this.#share = run.share;
    this.#run = run;
  }

  readonly #onStep = (step: IteratorResult<A>): void => {
    this.#next = undefined;
    try {
      if (step.done === true) this.#ended = true;
      else this.#answer = [step.value];
    } catch (error) {
      // Not an iterator result, or one whose properties throw.
      this.#failure = { error };
    }
    this.#notify();
  };

  readonly #onError = (error: unknown): void => {
    this.#next = undefined;
    this.#failure = { error };
    this.#notify();
  };

  #notify(): void {
    if (this.#share.spent(1)) this.#share.later(this.#wakeUp);
    else this.#wakeUp();
  }

  readonly #wakeUp = (): void => {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  };

  pull(wake: Wake): readonly A[] | typeof WAIT | typeof DONE {
    if (this.#answer !== READY) {
      const chunk = this.#answer;
      this.#answer = READY;
      return chunk;
    }
    if (this.#failure) throw this.#failure.error;
    if (this.#ended) return DONE;
    try {
      this.#iterator ??= this.#elements[Symbol.asyncIterator]();
      const step: IteratorResult<A> | PromiseLike<IteratorResult<A>> = this.#iterator.next();
      const promise = promiseOf(step) ?? Promise.resolve(step);
      this.#next = promise;
      promise.then(this.#onStep, this.#onError);
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
    this.#wake = wake;
    return WAIT;
  }

  cancel(): void {
    if (this.#ended || this.#failure) return;
    this.#ended = true;
    this.#wake = undefined;
    this.#answer = READY;
    this.#run.close(this.#close);
  }

  readonly #close = (): unknown => {
    const answer = this.#iterator?.return?.();
    const next = this.#next;
    const closed = next && promiseOf(answer as PromiseLike<unknown> | undefined);
    if (!closed) return answer;
    return new Promise((resolve, reject) => {
      const grace = this.#run.clock.schedule(NEXT_GRACE_MS, () => resolve(undefined));
      const settled = (): void => grace.cancel();
      next.then(settled, settled);
      closed.then(resolve, reject).then(settled, settled);
    });
  };
}

export const asyncIterable = <A>(elements: AsyncIterable<A>): SourceStage<A, void> => ({
  name: "from",
  create: (run) => ({ outlet: new AsyncIterablePull(elements, run), mat: undefined }),
});
