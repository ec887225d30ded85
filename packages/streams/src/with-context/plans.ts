import { type Blueprint, type Combine, hole, node } from "../model/blueprint.js";
import type { Fork, Junction, Stage } from "../model/stage.js";
import { requireArgument } from "../errors.js";
import { Flow } from "../flow.js";
import { rejoined, requireBranches } from "../rejoined.js";
import { Keep } from "../keep.js";
import type { Join } from "../operators.js";
import type { FlowWithContextShape } from "./shapes.js";
import { Sink } from "../sink.js";
import { map } from "../stages/element/map.js";
import { isMerge } from "../stages/fan-in/merge.js";
import { isZip, zip } from "../stages/fan-in/zip.js";
import { alsoTo } from "../stages/fan-out/broadcast.js";
import { joint, type WithClaim } from "../stages/with-context/claim.js";
import { endProcessed } from "../stages/with-context/element.js";
import type { Guard } from "../stages/with-context/guard.js";
import { sharing } from "../stages/with-context/fork.js";
import { guardedFlow } from "../stages/with-context/guarded.js";
import { asPart, asWhole } from "../stages/with-context/part.js";

export type Pairs<A> = Flow<WithClaim<A>, WithClaim<A>>;
type AnyFlow = FlowWithContextShape<never, unknown, unknown>;
type AnyFork = Fork<never, unknown>;
type AnyJunction = Junction<never, unknown>;

type Build<A, B> = (pairs: Pairs<A>, guard: Guard) => Flow<WithClaim<A>, WithClaim<B>, unknown>;

/** Plain operators on pairs, as one stage. */
export const plain = <A, B>(name: string, build: Build<A, B>): Stage<WithClaim<A>, WithClaim<B>> =>
  guardedFlow(name, (guard) => build(Flow.of(), guard).blueprint, false);

/** `plain` for what completes the stream, except in a branch or a group, where it drops the rest. */
export const taking = <A>(name: string, build: Build<A, A>): Stage<WithClaim<A>, WithClaim<A>> => ({
  ...plain(name, build),
  traits: { order: "kept", elements: "mayDrop" },
});

/** Plain operators that keep elements for a while, and say so to their claims. */
export const holding = <A, B>(name: string, build: Build<A, B>): Stage<WithClaim<A>, WithClaim<B>> =>
  guardedFlow(name, (guard) => build(Flow.of(), guard).blueprint, true);

/** A junction that makes rows of elements, for pairs. */
const jointly = (rows: Junction<unknown, readonly unknown[]>): AnyJunction => ({
  name: rows.name,
  ...(rows.traits && { traits: rows.traits }),
  create: (upstreams, run) =>
    map((row: readonly WithClaim<unknown>[]) => joint(row)).create(rows.create(upstreams, run) as never, run),
});

export const zipped: AnyJunction = jointly(zip);

/** A fork that gives every outlet each element; it ends with the first of them, so that none holds claims for ever. */
export const shared: AnyFork = sharing(alsoTo);

export const fanIn = (upstream: Blueprint, junction: AnyJunction, other: Blueprint, combine: Combine): Blueprint =>
  node("fanIn", { upstreams: [upstream, asWhole(other)], junction, combine });

/** The branches rejoined by `join`, of which the claims ask that it is one of ours. */
export const forked = (
  upstream: Blueprint,
  fork: AnyFork,
  flows: readonly AnyFlow[],
  join: Join<never, unknown>,
): Blueprint => {
  requireBranches(fork.name, flows, join);
  requireArgument(
    isMerge(join.junction) || isZip(join.junction),
    fork.name,
    `join must be Join.merge() or Join.zip(), because "${join.junction.name}" does not say what becomes of the claims`,
  );
  const branches = flows.map((flow) => asPart(flow.blueprint));
  return rejoined(upstream, fork, branches, isZip(join.junction) ? zipped : join.junction);
};

/** A branch beside the stream: what arrives at its end has been dealt with. */
export const beside = (upstream: Blueprint, fork: AnyFork, flow: AnyFlow, combine: Combine): Blueprint => {
  const ended = node("stage", { upstream: asPart(flow.blueprint), stage: endProcessed });
  const side = node("graft", { upstream: ended, graft: Sink.ignore.blueprint, combine: Keep.left });
  return node("fanOut", {
    upstream,
    fork,
    branches: [hole, side],
    join: undefined,
    combine: (mat: never, [, right]: readonly [unknown, never]) => combine(mat, right),
  });
};
