import type { Fork, Junction, StageTraits } from "./stage.js";
import { StreamError } from "../errors.js";
import type { Blueprint, Node } from "./blueprint.js";
import { read, type Reading } from "./reading.js";

/**
 * What a branch emits for what it takes in. `each`: one element for each, in order. `once`: one at the end, whatever
 * came. Otherwise the stage after which neither holds, with the reason.
 */
type Output = "each" | "once" | { readonly stage: string; readonly does: string };

const does: Readonly<Record<Exclude<StageTraits["elements"], "kept" | "folded">, string>> = {
  mayDrop: "may drop elements",
  mayAdd: "may emit several elements for one",
  gathered: "gathers several elements into one",
  lossy: "may drop elements",
};

const behindStage = (upstream: Output, name: string, traits: StageTraits | undefined): Output => {
  if (traits?.elements === "folded") return "once";
  // Nothing is known of a stage without traits, so nothing can be refused.
  if (!traits || upstream !== "each") return upstream;
  if (traits.elements !== "kept") return { stage: name, does: does[traits.elements] };
  return traits.order === "kept" ? "each" : { stage: name, does: "may change their order" };
};

/** What elements become behind a junction of several branches of one fork. */
const rejoined = (
  { fork, join }: Node<"fanOut">,
  _context: undefined,
  upstream: Output,
  branches: readonly Output[],
): Output => {
  const [first = upstream] = branches;
  if (!join || branches.length === 1) return first;
  if (join.traits?.joins === "pairs" || upstream !== "each") return first;
  return fork.traits?.to === "one"
    ? { stage: fork.name, does: "may change their order" }
    : { stage: fork.name, does: "emits several elements for one" };
};

const reading: Reading<undefined, Output> = {
  source: () => "each",
  stage: ({ stage }, _context, upstream) => behindStage(upstream, stage.name, stage.traits),
  sink: (_plan, _context, upstream) => upstream,
  behind: (upstream) => upstream,
  graft: (_plan, _upstream, graft) => graft,
  fanIn({ junction }, _context, [upstream = "each"]) {
    if (upstream !== "each" || junction.traits?.joins !== "mixes") return upstream;
    return { stage: junction.name, does: "adds elements of another stream" };
  },
  // Each branch is judged by itself: the elements that it gets are the ones it has to answer for.
  fork: ({ fork, branches, join }, _context, upstream) =>
    branches.map(() =>
      join || fork.traits?.to !== "one" || upstream !== "each"
        ? upstream
        : { stage: fork.name, does: "may take elements out" },
    ),
  join: rejoined,
  mat: (_plan, upstream) => upstream,
  inside: () => undefined,
  outside: (_plan, _inner, output) => output,
};

const unpaired = (branches: readonly Output[]): string | undefined => {
  if (branches.every((output) => output === "each") || branches.every((output) => output === "once")) return undefined;
  for (const [index, output] of branches.entries()) {
    if (typeof output === "object") return `in branch ${index} ${output.stage} ${output.does}`;
  }
  return `branch ${branches.indexOf("once")} emits one element at its end, branch ${branches.indexOf("each")} one for each`;
};

/**
 * Refuses a junction that pairs elements of branches which do not emit as many, in the same order: its pairs would be of
 * different elements, and once one branch is far enough ahead none could go on.
 */
export const requirePairs = (
  fork: Fork<never, unknown>,
  branches: readonly Blueprint[],
  join: Junction<never, unknown>,
): void => {
  if (join.traits?.joins !== "pairs" || branches.length < 2) return;
  const apart = fork.traits?.to === "one";
  const taken: Output = apart ? { stage: fork.name, does: "gives each element to one branch only" } : "each";
  const problem = unpaired(branches.map((branch) => read(branch, undefined, taken, reading)));
  if (problem === undefined) return;
  const fix = apart
    ? "join the branches by Join.merge()"
    : "let every branch emit one element for each that it takes, in order (do what drops, adds or gathers before the fork " +
      "or behind the join), let every branch end in a fold, or join the branches by Join.merge()";
  throw new StreamError(
    "INVALID_ARGUMENT",
    `${fork.name}: ${join.name} takes one element of every branch, but ${problem}: the pairs would be of different ` +
      `elements, and the stream would stall for ever; ${fix}`,
  );
};
