import { JointClaim, type WithClaim } from "./claim.js";
import type { Guard } from "./guard.js";

/** An aggregate, and the claims of everything that went into it. */
interface Kept<S> {
  state: S;
  readonly claim: JointClaim;
}

/** The functions of `aggregateWithBoundary`, as its author gives them. */
export interface Aggregating<in A, in out S, out B> {
  readonly allocate: () => S;
  readonly aggregate: (aggregate: S, element: A) => readonly [next: S, complete: boolean];
  readonly harvest: (aggregate: S) => B;
  readonly startsNew: ((aggregate: S, element: A) => boolean) | undefined;
  readonly when: ((aggregate: S) => boolean) | undefined;
}

/** The same for pairs: the claims of an aggregate go on with what is made of it, as one. */
export interface AggregatingCells<A, S, B> {
  readonly begin: (pair: WithClaim<A>) => readonly [Kept<S>, boolean];
  readonly aggregate: (kept: Kept<S>, pair: WithClaim<A>) => readonly [Kept<S>, boolean];
  readonly harvest: (kept: Kept<S>) => WithClaim<B>;
  readonly startsNew: (kept: Kept<S>, pair: WithClaim<A>) => boolean;
  readonly when: (kept: Kept<S>) => boolean;
}

export const aggregatingCells = <A, S, B>(
  { allocate, aggregate, harvest, startsNew = () => false, when = () => true }: Aggregating<A, S, B>,
  guard: Guard,
): AggregatingCells<A, S, B> => {
  const emitting = <R>(kept: Kept<S>, f: () => R): R => {
    try {
      return f();
    } catch (error) {
      throw guard.decided(error, kept.claim);
    }
  };
  const adding = <R>(pair: WithClaim<A>, kept: Kept<S> | undefined, f: () => R): R => {
    try {
      return f();
    } catch (error) {
      throw guard.decided(error, pair.claim, kept?.claim);
    }
  };
  return {
    begin: (pair) => {
      const [state, complete] = adding(pair, undefined, () => aggregate(allocate(), pair.value));
      return [{ state, claim: new JointClaim([pair.claim]) }, complete];
    },
    aggregate: (kept, pair) => {
      const [state, complete] = adding(pair, kept, () => aggregate(kept.state, pair.value));
      kept.state = state;
      kept.claim.add(pair.claim);
      return [kept, complete];
    },
    harvest: (kept) => emitting(kept, () => ({ value: harvest(kept.state), claim: kept.claim })),
    startsNew: (kept, pair) => adding(pair, kept, () => startsNew(kept.state, pair.value)),
    when: (kept) => emitting(kept, () => when(kept.state)),
  };
};
