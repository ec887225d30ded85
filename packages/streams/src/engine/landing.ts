import { soon } from "./host.js";
import { DONE, type Pull, type Pulled, WAIT, type Wake } from "../model/pull.js";

let cancelling = false;
const cancels: (() => void)[] = [];

/** Runs `cancel` before the outermost call of this answers, but never inside another one: the stack stays flat. */
const inTurn = (cancel: () => void): void => {
  cancels.push(cancel);
  if (cancelling) return;
  cancelling = true;
  let failure: { readonly error: unknown } | undefined;
  for (let next = cancels.pop(); next; next = cancels.pop()) {
    try {
      next();
    } catch (error) {
      failure ??= { error };
    }
  }
  cancelling = false;
  if (failure) throw failure.error;
};

/**
 * Stands between the stages of a very long chain: what is behind it pulls from an empty stack, so that no chain is too long
 * for it. It answers later even where upstream could at once.
 */
export class Landing<A> implements Pull<A> {
  readonly #upstream: Pull<A>;
  #wake: Wake | undefined;
  #answer: Pulled<A> = WAIT;
  #failure: { readonly error: unknown } | undefined;
  #cancelled = false;

  constructor(upstream: Pull<A>) {
    this.#upstream = upstream;
  }

  pull(wake: Wake): Pulled<A> {
    const answer = this.#answer;
    if (this.#failure) throw this.#failure.error;
    if (this.#cancelled || answer === DONE) return DONE;
    if (answer !== WAIT) {
      this.#answer = WAIT;
      return answer;
    }
    this.#wake = wake;
    soon(this.#ask);
    return WAIT;
  }

  readonly #onUpstream = (): void => soon(this.#ask);

  readonly #ask = (): void => {
    if (this.#cancelled) return;
    try {
      this.#answer = this.#upstream.pull(this.#onUpstream);
    } catch (error) {
      this.#failure = { error };
    }
    if (this.#answer === WAIT && !this.#failure) return;
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  };

  cancel(cause: unknown): void {
    if (this.#cancelled || this.#answer === DONE || this.#failure) return;
    this.#cancelled = true;
    this.#wake = undefined;
    inTurn(() => this.#upstream.cancel(cause));
  }
}
