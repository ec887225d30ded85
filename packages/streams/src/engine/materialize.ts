import type { Blueprint } from "../blueprint/blueprint.js";
import { wire } from "../blueprint/wiring.js";
import { InvariantViolation, requireArgument } from "../errors.js";
import type { Pull } from "./pull.js";
import { Run, type RunOptions } from "./run.js";

interface Built {
  /** Absent behind a sink. */
  readonly outlet: Pull<never> | undefined;
  readonly mat: never;
}

// The tree erases element types; the surface classes, which build it, have checked them.
const built = (outlet: Pull<unknown> | undefined, mat: unknown): Built => ({
  outlet: outlet as Pull<never> | undefined,
  mat: mat as never,
});

const outletOf = (part: Built): Pull<never> => {
  if (!part.outlet) throw new InvariantViolation("a stage was put behind a sink");
  return part.outlet;
};

const build = (plan: Blueprint, run: Run, inlet: Built): Built => {
  switch (plan.tag) {
    case "hole":
      return inlet;
    case "source": {
      const { outlet, mat } = plan.source.create(run);
      return built(run.wrap(outlet, plan.source.name), mat);
    }
    case "stage": {
      const upstream = build(plan.upstream, run, inlet);
      return built(run.wrap(plan.stage.create(outletOf(upstream), run), plan.stage.name), upstream.mat);
    }
    case "matStage": {
      const upstream = build(plan.upstream, run, inlet);
      const { outlet, mat } = plan.stage.createWithMat(outletOf(upstream), run);
      return built(run.wrap(outlet, plan.stage.name), plan.combine(upstream.mat, mat as never));
    }
    case "sink": {
      const upstream = build(plan.upstream, run, inlet);
      return built(undefined, plan.combine(upstream.mat, plan.sink.create(outletOf(upstream), run) as never));
    }
    case "graft": {
      const upstream = build(plan.upstream, run, inlet);
      const graft = build(plan.graft, run, built(outletOf(upstream), undefined));
      return built(graft.outlet, plan.combine(upstream.mat, graft.mat));
    }
    case "fanIn": {
      const [left, right] = plan.upstreams.map((upstream) => build(upstream, run, inlet)) as [Built, Built];
      const outlet = plan.junction.create([outletOf(left), outletOf(right)], run);
      return built(run.wrap(outlet, plan.junction.name), plan.combine(left.mat, right.mat));
    }
    case "fanOut": {
      const upstream = build(plan.upstream, run, inlet);
      const outlets = plan.fork.create(outletOf(upstream), plan.branches.length, run);
      const branches = plan.branches.map((branch, index) =>
        build(branch, run, built(run.wrap(outlets[index] as Pull<unknown>, plan.fork.name), undefined)),
      );
      const open = branches.flatMap((branch) => (branch.outlet ? [branch.outlet] : []));
      const mats = branches.map((branch) => branch.mat);
      const outlet = plan.join ? run.wrap(plan.join.create(open, run), plan.join.name) : open[0];
      return built(outlet, plan.combine(upstream.mat, mats as never));
    }
    case "mat": {
      const upstream = build(plan.upstream, run, inlet);
      return built(upstream.outlet, plan.f(upstream.mat));
    }
    case "attributes":
      return build(plan.upstream, run.with(plan.attributes), inlet);
  }
};

const closed = built(undefined, undefined);

/** Lets every source refuse the graph, before anything of it is built. */
const check = (plan: Blueprint, { options }: Run): void => {
  requireArgument(
    options.unsafe?.trim() !== "",
    "run",
    "unsafe takes the reason why the graph is run all the same; an empty one says nothing",
  );
  const graph = wire(plan, options.attributes);
  for (const node of graph) if (node.kind === "source") node.stage.check?.(graph, node, options);
};

/** Runs a closed graph and answers its materialised value; elements flow from a later microtask on. */
export const materialize = (plan: Blueprint, options?: RunOptions): unknown => {
  const run = Run.create(options);
  try {
    check(plan, run);
    const { mat } = build(plan, run, closed);
    run.start();
    return mat;
  } catch (error) {
    run.abandon(error);
    throw error;
  }
};

/** Builds an open graph up to its outlet, for an iterator that pulls by itself as a terminal of `run`. */
export const materializeOutlet = <A>(plan: Blueprint, run: Run): Pull<A> => {
  check(plan, run);
  return outletOf(build(plan, run, closed));
};

/** Puts a flow behind `inlet` inside a run that is under way: how substreams come to be. */
export const materializeFlow = <In, Out>(flow: Blueprint, inlet: Pull<In>, run: Run): Pull<Out> =>
  outletOf(build(flow, run, built(inlet, undefined)));
