import { JointClaim, type WithClaim } from "./claim.js";
import { changed, type Guard } from "./guard.js";

type Aggregate<S, A> = (kept: WithClaim<S>, pair: WithClaim<A>) => WithClaim<S>;

/** `aggregate` for pairs: the claims of those that follow join the first one's. There is one batch at a time. */
export const aggregating = <S, A>(aggregate: (kept: S, value: A) => S, guard: Guard): Aggregate<S, A> => {
  let current: { readonly kept: WithClaim<S>; readonly claim: JointClaim } | undefined;
  const jointOf = (kept: WithClaim<S>): JointClaim => {
    if (current?.kept === kept) return current.claim;
    const claim = new JointClaim([kept.claim]);
    kept.claim = claim;
    current = { kept, claim };
    return claim;
  };
  return (kept, pair) => {
    let value: S;
    try {
      value = aggregate(kept.value, pair.value);
    } catch (error) {
      throw guard.decided(error, pair.claim, kept.claim);
    }
    jointOf(kept).add(pair.claim);
    return changed(kept, value);
  };
};
