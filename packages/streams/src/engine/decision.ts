import type { Decider } from "../attributes.js";
import { StreamError } from "../errors.js";
import { promiseOf } from "./answer.js";
import { textOf } from "./text-of.js";

/** What a stage does about an error: go on without the element, afresh or not, or fail with `error`. */
export type Decision = "resume" | "restart" | { readonly error: unknown };

const nothing = (): void => undefined;

const failed = (how: string, error: unknown, cause: unknown): Decision => ({
  error: new StreamError(
    "DECIDER_FAILED",
    `the decider ${how} when it was asked about ${textOf(error)}; it has to answer "stop", "resume" or "restart", at once`,
    { cause },
  ),
});

const textOfAnswer = (answer: unknown): string => {
  const later = promiseOf(answer);
  if (!later) return typeof answer === "string" ? JSON.stringify(answer) : textOf(answer);
  // Nothing awaits it, so its rejection would be unhandled.
  later.catch(nothing);
  return "a promise";
};

/** Never throws: a decider that does, or that answers no directive, fails the stage with an error of its own. */
export const decisionOf = (decider: Decider, error: unknown): Decision => {
  try {
    const answer: unknown = decider(error);
    if (answer === "stop") return { error };
    if (answer === "resume" || answer === "restart") return answer;
    return failed(`answered ${textOfAnswer(answer)}`, error, error);
  } catch (thrown) {
    return failed(`threw ${textOf(thrown)}`, error, thrown);
  }
};
