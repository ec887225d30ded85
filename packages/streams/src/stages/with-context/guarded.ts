import type { Blueprint } from "../../model/blueprint.js";
import { wire } from "../../model/wiring.js";
import { materializeFlow } from "../../engine/materialize.js";
import { DONE, type Pull } from "../../model/pull.js";
import type { Fork, Stage, StageTraits } from "../../model/stage.js";
import type { WithClaim } from "./claim.js";
import { Guard } from "./guard.js";

type Pair = WithClaim<unknown>;

/** A stage with user functions, made anew for every run. */
export const guarded = <A extends Pair, B>(
  name: string,
  traits: StageTraits,
  build: (guard: Guard) => Stage<A, B>,
): Stage<A, B> => ({
  name,
  traits,
  create(upstream, run) {
    const guard = new Guard(name, run);
    return build(guard).create(upstream, guard.inner);
  },
});

/** A fork whose user function chooses one of the outlets. */
export const guardedFork = <A>(name: string, build: (guard: Guard) => Fork<A, A>): Fork<A, A> => ({
  name,
  traits: { to: "one" },
  create(upstream, outlets, run) {
    const guard = new Guard(name, run);
    return build(guard).create(upstream, outlets, guard.inner);
  },
});

/** Reports the end of the stage to the guard and, if `holds`, to the claims where their records are. */
const watched = <A>(outlet: Pull<A>, guard: Guard, holds: boolean): Pull<A> => {
  let cancelled = false;
  return {
    pull(wake) {
      if (cancelled) return DONE;
      try {
        const pulled = outlet.pull(wake);
        if (holds && typeof pulled !== "symbol") for (const pair of pulled) (pair as Pair).claim.at(guard.name);
        return pulled;
      } catch (error) {
        guard.end();
        throw error;
      }
    },
    cancel(cause) {
      if (cancelled) return;
      cancelled = true;
      guard.end();
      outlet.cancel(cause);
    },
  };
};

/** What a flow of stages does to elements, as one: the first that changes their order or number says how. */
const traitsOf = (flow: Blueprint): StageTraits | undefined => {
  let traits: StageTraits = { order: "kept", elements: "kept" };
  for (const { kind, stage } of wire(flow)) {
    if (kind === "substreamsEnd") continue;
    if (kind !== "stage" || !stage.traits) return undefined;
    traits = {
      order: traits.order === "kept" ? stage.traits.order : traits.order,
      elements: traits.elements === "kept" ? stage.traits.elements : traits.elements,
    };
  }
  return traits;
};

/**
 * A flow of plain operators on pairs as one stage, made anew for every run, and once now, so that wrong arguments are
 * refused while the graph is built. `holds` is true for one that keeps elements for a while.
 */
export const guardedFlow = <A extends Pair, B>(
  name: string,
  build: (guard: Guard) => Blueprint,
  holds: boolean,
): Stage<A, B> => {
  const traits = traitsOf(build(new Guard(name)));
  return {
    name,
    ...(traits && { traits }),
    create(upstream, run) {
      const guard = new Guard(name, run);
      const outlet = materializeFlow<A, B>(build(guard), watched(upstream, guard, holds), guard.inner);
      return watched(outlet, guard, false);
    },
  };
};
