import type { Claim, WithClaim } from "./claim.js";
import type { Guard } from "./guard.js";

/** Longer arrays are read as downstream asks, like any other answer. */
const AT_ONCE_ELEMENTS = 512;

const isShort = <B>(answer: Iterable<B>): answer is readonly B[] =>
  Array.isArray(answer) &&
  answer.length <= AT_ONCE_ELEMENTS &&
  answer[Symbol.iterator] === Array.prototype[Symbol.iterator];

/** Every output gets a share; the input's own share goes to the last. One without outputs has been dealt with by `f`. */
const allAtOnce = <A, B>(pair: WithClaim<A>, values: readonly B[]): readonly WithClaim<B>[] => {
  const { claim } = pair;
  if (values.length === 0) {
    claim.end("processed");
    return [];
  }
  if (values.length > 1) claim.share(values.length - 1);
  return values.map((value) => ({ value, claim }));
};

/** Every output gets a share when it is given; the input's own share is kept until nothing more can come. */
class Answer<B> implements IterableIterator<WithClaim<B>> {
  readonly #values: Iterator<B>;
  readonly #claim: Claim;
  readonly #guard: Guard;
  #gave = false;

  constructor(values: Iterator<B>, claim: Claim, guard: Guard) {
    this.#values = values;
    this.#claim = claim;
    this.#guard = guard;
  }

  next(): IteratorResult<WithClaim<B>> {
    let step: IteratorResult<B>;
    try {
      step = this.#values.next();
    } catch (error) {
      throw this.#guard.decided(error, this.#claim);
    }
    if (step.done !== true) {
      this.#gave = true;
      this.#claim.share(1);
      return { done: false, value: { value: step.value, claim: this.#claim } };
    }
    // After outputs the weakest outcome: they decide how the claim ends.
    this.#claim.end(this.#gave ? "discarded" : "processed");
    return { done: true, value: undefined };
  }

  /** Cancelled half-way: the own share stays open, for the rest has not been given. */
  return(): IteratorResult<WithClaim<B>> {
    this.#values.return?.();
    return { done: true, value: undefined };
  }

  [Symbol.iterator](): this {
    return this;
  }
}

/** What `f` answers as pairs, for the plain operator to read. */
export const answering = <A, B>(
  f: (value: A) => Iterable<B>,
  guard: Guard,
): ((pair: WithClaim<A>) => Iterable<WithClaim<B>>) => {
  return (pair) => {
    try {
      const answer = f(pair.value);
      if (isShort(answer)) return allAtOnce(pair, answer);
      return new Answer(answer[Symbol.iterator](), pair.claim, guard);
    } catch (error) {
      throw guard.decided(error, pair.claim);
    }
  };
};
