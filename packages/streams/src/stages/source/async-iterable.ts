import { promiseOf } from "../../engine/answer.js";
import { DONE, type Pull, WAIT, type Wake } from "../../engine/pull.js";
import type { Run } from "../../engine/run.js";
import type { SourceStage } from "../../engine/stage.js";

const READY: readonly never[] = [];

/** One `next()` at a time, each element a chunk of one: gathering several would delay the first. */
class AsyncIterablePull<A> implements Pull<A> {
  readonly #elements: AsyncIterable<A>;
  readonly #share: Run["share"];
  #iterator: AsyncIterator<A> | undefined;
  #answer: readonly A[] = READY;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;
  #wake: Wake | undefined;

  constructor(elements: AsyncIterable<A>, run: Run) {
    this.#elements = elements;
    this.#share = run.share;
  }

  readonly #onStep = (step: IteratorResult<A>): void => {
    try {
      if (step.done === true) this.#ended = true;
      else this.#answer = [step.value];
    } catch (error) {
      // What is no step at all, or one whose properties throw.
      this.#failure = { error };
    }
    this.#notify();
  };

  readonly #onError = (error: unknown): void => {
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
      promise.then(this.#onStep, this.#onError);
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
    this.#wake = wake;
    return WAIT;
  }

  cancel(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#wake = undefined;
    this.#answer = READY;
    void this.#close();
  }

  async #close(): Promise<void> {
    try {
      await this.#iterator?.return?.();
    } catch {
      // The iterator's clean-up fails for itself: nobody downstream is left to hear of it.
    }
  }
}

export const asyncIterable = <A>(elements: AsyncIterable<A>): SourceStage<A, void> => ({
  name: "from",
  create: (run) => ({ outlet: new AsyncIterablePull(elements, run), mat: undefined }),
});
