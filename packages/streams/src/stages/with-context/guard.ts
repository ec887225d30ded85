import type { Decider, Directive } from "../../attributes.js";
import { promiseOf } from "../../engine/answer.js";
import type { Run } from "../../engine/run.js";
import { textOf } from "../../engine/text-of.js";
import type { Claim, WithClaim } from "./claim.js";
import { isPart } from "./part.js";

/** Thrown in place of an error that the decider has already judged: the element is dropped, and its share has ended. */
class Decided {
  readonly directive: Directive;

  constructor(directive: Directive) {
    this.directive = directive;
  }
}

const onceDecided: Decider = (error) => (error instanceof Decided ? error.directive : "stop");

/** Puts another value into a pair. */
export const changed = <B>(pair: WithClaim<unknown>, value: B): WithClaim<B> => {
  pair.value = value;
  return pair as WithClaim<B>;
};

/**
 * Stands between the user functions of one stage, in one run, and the decider, which is asked once per error: with `stop`
 * the stream fails and the claims stay open; with the other directives the element is dropped on purpose, so that its
 * share ends.
 */
export class Guard {
  /** Outside the guard; absent when the stage is made only to have its arguments checked. */
  readonly run: Run | undefined;
  /** The stage's name, and before it the one that the graph gives it. */
  readonly name: string;
  /** Whether the stage stands in a branch or a group. */
  readonly part: boolean;
  /** The stage has failed or was cancelled: what settles now changes no claim, for the record will be replayed. */
  #ended = false;

  constructor(name: string, run?: Run) {
    const given = run?.attributes.name;
    this.name = given === undefined ? name : `${given} (${name})`;
    this.part = run !== undefined && isPart(run);
    this.run = run;
  }

  /** Runs the stage so that what `decided` has answered is obeyed. */
  get inner(): Run {
    return (this.run as Run).with({ supervision: onceDecided });
  }

  /** What to throw, or to reject with, so that an element is dropped whose share the stage has ended. */
  static readonly dropped: unknown = new Decided("resume");

  /** What to throw in place of a user function's error. `state`, if any, is what the stage drops on `restart` as well. */
  decided(error: unknown, claim: Claim, state?: Claim): unknown {
    if (this.#ended) return error;
    const decision = this.run?.decide(error, undefined, claim) ?? { error };
    if (typeof decision === "object") {
      this.#ended = true;
      return decision.error;
    }
    const reason = `dropped by the decider (${decision}): ${this.name} threw ${textOf(error)}`;
    claim.end("discarded", reason);
    if (decision === "restart") state?.end("discarded", reason);
    return new Decided(decision);
  }

  end(): void {
    this.#ended = true;
  }

  /** A user function for pairs. */
  on<A, B>(f: (value: A) => B): (pair: WithClaim<A>) => B {
    return (pair) => {
      try {
        return f(pair.value);
      } catch (error) {
        throw this.decided(error, pair.claim);
      }
    };
  }

  /** A user function for pairs that answers the element to emit. */
  changing<A, B>(f: (value: A) => B): (pair: WithClaim<A>) => WithClaim<B> {
    const guarded = this.on(f);
    return (pair) => changed(pair, guarded(pair));
  }

  /** A user function with a state. */
  mapping<S, A, B>(
    f: (state: S, value: A) => readonly [next: S, out: B],
  ): (state: S, pair: WithClaim<A>) => readonly [next: S, out: WithClaim<B>] {
    return (state, pair) => {
      try {
        const [next, out] = f(state, pair.value);
        return [next, changed(pair, out)];
      } catch (error) {
        throw this.decided(error, pair.claim);
      }
    };
  }

  /** An asynchronous user function. */
  calling<A, B>(f: (value: A) => B | PromiseLike<B>): (pair: WithClaim<A>) => WithClaim<B> | Promise<WithClaim<B>> {
    const call = this.callingByKey<A, undefined, B>(f);
    return (pair) => call(pair, undefined);
  }

  /** An asynchronous user function that also gets the key. */
  callingByKey<A, P, B>(
    f: (value: A, key: P) => B | PromiseLike<B>,
  ): (pair: WithClaim<A>, key: P) => WithClaim<B> | Promise<WithClaim<B>> {
    return (pair, key) => {
      pair.claim.at(this.name);
      let result: B | PromiseLike<B>;
      let promise: Promise<B> | undefined;
      try {
        result = f(pair.value, key);
        promise = promiseOf(result);
      } catch (error) {
        throw this.decided(error, pair.claim);
      }
      if (!promise) return changed(pair, result as B);
      return promise.then(
        (value) => changed(pair, value),
        (error: unknown) => {
          throw this.decided(error, pair.claim);
        },
      );
    };
  }
}
