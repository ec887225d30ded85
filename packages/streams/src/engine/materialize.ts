import type { Blueprint } from "../model/blueprint.js";
import { read, type Reading } from "../model/reading.js";
import { wire } from "../model/wiring.js";
import { InvariantViolation, requireArgument } from "../errors.js";
import { Landing } from "./landing.js";
import type { Pull } from "../model/pull.js";
import { Run, type RunOptions } from "./run.js";
import type { Junction } from "../model/stage.js";

interface Built {
  /** Absent behind a sink. */
  readonly outlet: Pull<never> | undefined;
  readonly mat: never;
  /** How many stages a pull goes through at once. */
  readonly depth: number;
}

// The tree erases element types; the surface classes, which build it, have checked them.
const built = (outlet: Pull<unknown> | undefined, mat: unknown, depth: number): Built => ({
  outlet: outlet as Pull<never> | undefined,
  mat: mat as never,
  depth,
});

const outletOf = (part: Built): Pull<never> => {
  if (!part.outlet) throw new InvariantViolation("a stage was put behind a sink");
  return part.outlet;
};

/** Stages that may call each other on one stack, which has room for some thousand of the smallest. */
const MOST_DEPTH = 128;

/** What the next stage is put behind: `part`, with a landing where a pull would reach too deep. */
const landed = (part: Built): Built =>
  part.depth < MOST_DEPTH ? part : built(new Landing(outletOf(part)), part.mat, 0);

const joining = (
  junction: Junction<never, unknown>,
  run: Run,
  parts: readonly Built[],
): { readonly outlet: Pull<unknown>; readonly depth: number } => {
  const from = parts.map(landed);
  return {
    outlet: run.wrap(junction.create(from.map(outletOf), run.at(junction.name)), junction.name),
    depth: 1 + from.reduce((deepest, { depth }) => Math.max(deepest, depth), 0),
  };
};

/** Creates the stages of a blueprint for one run. */
const building: Reading<Run, Built> = {
  source({ source }, run) {
    const { outlet, mat } = source.create(run.at(source.name));
    return built(run.wrap(outlet, source.name), mat, 1);
  },
  stage(plan, run, upstream) {
    const from = landed(upstream);
    const depth = from.depth + 1;
    if (plan.tag === "stage") {
      return built(
        run.wrap(plan.stage.create(outletOf(from), run.at(plan.stage.name)), plan.stage.name),
        from.mat,
        depth,
      );
    }
    const { outlet, mat } = plan.stage.createWithMat(outletOf(from), run.at(plan.stage.name));
    return built(run.wrap(outlet, plan.stage.name), plan.combine(from.mat, mat as never), depth);
  },
  sink({ sink, combine }, run, upstream) {
    const mat = sink.create(outletOf(upstream), run.at(sink.name));
    return built(undefined, combine(upstream.mat, (mat instanceof Promise ? run.answering(mat) : mat) as never), 0);
  },
  behind: (upstream) => built(outletOf(upstream), undefined, upstream.depth),
  graft: ({ combine }, upstream, { outlet, mat, depth }) => built(outlet, combine(upstream.mat, mat), depth),
  fanIn({ junction, combine }, run, upstreams) {
    const [left, right] = upstreams as readonly [Built, Built];
    const { outlet, depth } = joining(junction, run, upstreams);
    return built(outlet, combine(left.mat, right.mat), depth);
  },
  fork({ fork, branches }, run, upstream) {
    const from = landed(upstream);
    const outlets = fork.create(outletOf(from), branches.length, run.at(fork.name));
    return outlets.map((outlet) => built(run.wrap(outlet, fork.name), undefined, from.depth + 1));
  },
  join({ join, combine }, run, upstream, branches) {
    const open = branches.filter((branch) => branch.outlet !== undefined);
    const [only] = open;
    const joined = join ? joining(join, run, open) : { outlet: only?.outlet, depth: only?.depth ?? 0 };
    return built(joined.outlet, combine(upstream.mat, branches.map((branch) => branch.mat) as never), joined.depth);
  },
  mat: ({ f }, { outlet, mat, depth }) => built(outlet, f(mat), depth),
  inside: ({ attributes }, run) => run.with(attributes),
  outside: (_plan, _run, part) => part,
};

const build = (plan: Blueprint, run: Run, inlet: Built): Built => read(plan, run, inlet, building);

const closed = built(undefined, undefined, 0);

/** Lets every source refuse the graph, before anything of it is built. */
const check = (plan: Blueprint, { options }: Run): void => {
  requireArgument(
    options.unsafe?.trim() !== "",
    "run",
    "unsafe takes the reason why the graph is run all the same; an empty one says nothing",
  );
  if (plan.unchecked === true) return;
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
  outletOf(build(flow, run, built(inlet, undefined, 0)));
