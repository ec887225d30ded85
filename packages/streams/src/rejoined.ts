import { type Blueprint, node } from "./model/blueprint.js";
import { requirePairs } from "./model/pairing.js";
import type { Fork, Junction } from "./model/stage.js";
import { requireArgument } from "./errors.js";
import { Keep } from "./keep.js";

const describe = (value: unknown): string =>
  typeof value === "function" ? `the function ${value.name || "without a name"}, not called` : String(value);

/** Refuses what is no list of flows, or no join: `Join.merge` without its parentheses, for one. */
export const requireBranches = (operator: string, flows: unknown, join: unknown): void => {
  requireArgument(Array.isArray(flows) && flows.length > 0, operator, "flows must be a list of at least one flow");
  for (const [index, flow] of (flows as unknown[]).entries()) {
    const { blueprint } = (flow ?? {}) as { readonly blueprint?: unknown };
    requireArgument(blueprint !== undefined, operator, `flows[${index}] must be a flow, got ${describe(flow)}`);
  }
  const { junction } = (join ?? {}) as { readonly junction?: Partial<Junction<never, unknown>> };
  requireArgument(
    typeof junction?.create === "function",
    operator,
    `join must be the answer of Join.merge() or Join.zip(), got ${describe(join)}`,
  );
};

/** A fork whose branches come together again. */
export const rejoined = (
  upstream: Blueprint,
  fork: Fork<never, unknown>,
  branches: readonly Blueprint[],
  join: Junction<never, unknown>,
): Blueprint => {
  requirePairs(fork, branches, join);
  return node("fanOut", { upstream, fork, branches, join, combine: Keep.left });
};
