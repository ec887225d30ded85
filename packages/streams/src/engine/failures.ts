import { consoleLogger } from "../logger.js";
import { nextTurn } from "./host.js";

const nothing = (): void => undefined;

/** A promise that reports when it is looked at. Those derived from it are ordinary, and answer for themselves. */
class Watched<A> extends Promise<A> {
  #onLook = nothing;

  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  static over<A>(promise: Promise<A>, onLook: () => void): Watched<A> {
    const watched = new Watched<A>((resolve, reject) => void promise.then(resolve, reject));
    watched.#onLook = onLook;
    return watched;
  }

  override then<B = A, C = never>(
    onFulfilled?: ((value: A) => B | PromiseLike<B>) | null,
    onRejected?: ((reason: unknown) => C | PromiseLike<C>) | null,
  ): Promise<B | C> {
    this.#onLook();
    return super.then(onFulfilled, onRejected);
  }
}

interface Failure {
  heard: boolean;
  /** The unhandled rejection that reports it. */
  raised: Promise<never> | undefined;
  /** It came after a failure that was heard of, so it is logged. */
  logged: boolean;
}

/** Has a name for messages. */
export interface Named {
  toString(): string;
}

/** Where a function of the user failed. */
export interface FailurePlace {
  readonly stage: string;
  /** What it was called with, if that is known; beside a claim, `undefined`. */
  readonly element: unknown;
  /** Names the record behind the element, in a stream with context. */
  readonly claim: Named | undefined;
}

/**
 * Which failures of one run have been heard of. A failure may reject several promises; a graph drops some, a user looks
 * at some: one that is looked at, before or after, is enough. Where there is none, the failure becomes one unhandled
 * rejection, once nothing is left that could still report it. A later failure is only logged if the first was heard of:
 * a user who knows that the stream has failed must not lose the process to a consequence of it.
 */
export class Failures {
  readonly #known = new Map<unknown, Failure>();
  readonly #ended: () => boolean;
  readonly #places = new Map<unknown, FailurePlace>();
  /** What the run has failed with. */
  #first: { readonly error: unknown } | undefined;
  /** Promises that will answer for a failure. */
  #open = 0;

  /** `ended` answers whether all terminals have ended. */
  constructor(ended: () => boolean) {
    this.#ended = ended;
  }

  /** `error` has failed the run, and maybe no promise of a sink reports it. */
  owe(error: unknown): void {
    this.#of(error);
  }

  /** `error`, thrown in a stage, fails it. The innermost place comes first, and stays. */
  thrown(error: unknown, place: FailurePlace): void {
    if (!this.#places.has(error)) this.#places.set(error, place);
  }

  placeOf(error: unknown): FailurePlace | undefined {
    return this.#places.get(error);
  }

  /** `error` has ended a terminal of the run. */
  fail(error: unknown): void {
    this.#first ??= { error };
  }

  hear(error: unknown): void {
    const failure = this.#of(error);
    failure.heard = true;
    failure.raised?.catch(nothing);
    if (this.#first?.error === error) this.raise();
  }

  /** `promise`, to be handed out. If it `answers`, its rejection must be heard of; otherwise others answer for it. */
  watch<A>(promise: Promise<A>, answers: boolean): Promise<A> {
    let looked = false;
    let failed: { readonly error: unknown } | undefined;
    const watched = Watched.over(promise, () => {
      looked = true;
      if (failed) this.hear(failed.error);
    });
    if (answers) this.#open += 1;
    const settled = (): void => {
      if (answers) this.#open -= 1;
      this.raise();
    };
    // Not by its own `then`, which would be a look.
    void Promise.prototype.then.call(watched, settled, (error: unknown) => {
      failed = { error };
      if (looked) this.hear(error);
      else if (answers) this.#of(error);
      settled();
    });
    return watched;
  }

  /** Rejects with, or logs, the failures that no promise can report any more. */
  raise(): void {
    if (this.#open > 0 || !this.#ended()) return;
    const firstHeard = this.#first !== undefined && this.#known.get(this.#first.error)?.heard === true;
    for (const [error, failure] of this.#known) {
      if (failure.heard) continue;
      if (firstHeard) this.#logLater(error, failure);
      else failure.raised ??= Promise.reject(error);
    }
  }

  /** Logs it a turn later, unless it is heard of by then. */
  #logLater(error: unknown, failure: Failure): void {
    failure.raised?.catch(nothing);
    if (failure.logged) return;
    failure.logged = true;
    nextTurn(() => {
      if (!failure.heard) consoleLogger.error("a stream that had failed failed once more", { error });
    });
  }

  #of(error: unknown): Failure {
    const known = this.#known.get(error) ?? { heard: false, raised: undefined, logged: false };
    this.#known.set(error, known);
    return known;
  }
}
