import type { Stage } from "../../model/stage.js";
import type { WithClaim } from "./claim.js";
import { stepping } from "./element.js";
import type { Guard } from "./guard.js";

/** Lets a value pass, or says that the rest is not wanted; `last` passes and is the last that does. */
type Verdict = "pass" | "last" | "rest";

/**
 * Taking in a branch or a group: it reads on to the end of its part of the stream, so that the claims of the rest end. In
 * the stream itself an operator that takes completes it, and the rest stays open.
 */
const discardRest = <A>(
  name: string,
  guard: Guard,
  verdict: (value: A) => Verdict,
): Stage<WithClaim<A>, WithClaim<A>> => {
  const reason = `left out by ${guard.name}`;
  let over = false;
  return stepping(name, guard, () => (pair) => {
    const said = over ? "rest" : verdict(pair.value as A);
    over = said !== "pass";
    if (said !== "rest") return true;
    pair.claim.end("discarded", reason);
    return false;
  });
};

export const takeInPart = <A>(count: number, guard: Guard): Stage<WithClaim<A>, WithClaim<A>> => {
  let left = count;
  return discardRest("take", guard, () => {
    left -= 1;
    return left > 0 ? "pass" : left === 0 ? "last" : "rest";
  });
};

export const takeWhileInPart = <A>(
  holds: (value: A) => boolean,
  inclusive: boolean,
  guard: Guard,
): Stage<WithClaim<A>, WithClaim<A>> =>
  discardRest<A>("takeWhile", guard, (value) => (holds(value) ? "pass" : inclusive ? "last" : "rest"));
