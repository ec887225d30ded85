import type { Attributes } from "../attributes.js";
import type { Wiring, WiringInput, WiringNode, WiringPlace } from "./stage.js";
import type { Blueprint, Node } from "./blueprint.js";
import { read, type Reading } from "./reading.js";

type Unplaced<Node> = Node extends WiringNode ? Omit<Node, keyof WiringPlace> : never;

/** What holds at a point of the graph: the attributes, and how many nodes precede what they were given to. */
interface Place {
  readonly attributes: Attributes;
  readonly before: number;
}

/** Gathers the nodes of a blueprint. A part is worth its open outlets. */
class Walk implements Reading<Place, readonly WiringInput[]> {
  readonly nodes: WiringNode[] = [];

  source(plan: Node<"source">, place: Place): readonly WiringInput[] {
    return this.#place({ kind: "source", stage: plan.source }, place, []);
  }

  stage(
    { stage }: Node<"stage"> | Node<"matStage">,
    place: Place,
    inputs: readonly WiringInput[],
  ): readonly WiringInput[] {
    return this.#place({ kind: "stage", stage }, place, inputs);
  }

  sink(plan: Node<"sink">, place: Place, inputs: readonly WiringInput[]): readonly WiringInput[] {
    this.#place({ kind: "sink", stage: plan.sink }, place, inputs);
    return [];
  }

  substreamsEnd({ stage }: Node<"stage">, place: Place, ends: readonly WiringInput[]): readonly WiringInput[] {
    return this.#place({ kind: "substreamsEnd", stage }, place, ends, "mergeSubstreams");
  }

  behind(upstream: readonly WiringInput[]): readonly WiringInput[] {
    return upstream;
  }

  graft(_plan: unknown, _upstream: unknown, graft: readonly WiringInput[]): readonly WiringInput[] {
    return graft;
  }

  fanIn(plan: Node<"fanIn">, place: Place, upstreams: readonly (readonly WiringInput[])[]): readonly WiringInput[] {
    return this.#place({ kind: "junction", stage: plan.junction }, place, upstreams.flat());
  }

  fork(plan: Node<"fanOut">, place: Place, upstream: readonly WiringInput[]): readonly (readonly WiringInput[])[] {
    const forked = this.#place({ kind: "fork", stage: plan.fork }, place, upstream);
    return plan.branches.map((_, outlet) => forked.map(({ node }) => ({ node, outlet })));
  }

  join(
    plan: Node<"fanOut">,
    place: Place,
    _upstream: unknown,
    branches: readonly (readonly WiringInput[])[],
  ): readonly WiringInput[] {
    const open = branches.flat();
    return plan.join ? this.#place({ kind: "junction", stage: plan.join }, place, open) : open;
  }

  mat(_plan: unknown, upstream: readonly WiringInput[]): readonly WiringInput[] {
    return upstream;
  }

  inside(plan: Node<"attributes">, { attributes }: Place): Place {
    return { attributes: { ...attributes, ...plan.attributes }, before: this.nodes.length };
  }

  /** A name is shown at the last stage of what it was given to. */
  outside(plan: Node<"attributes">, { before }: Place, outlets: readonly WiringInput[]): readonly WiringInput[] {
    const { name } = plan.attributes;
    const last = this.nodes.at(-1);
    if (name !== undefined && last && this.nodes.length > before) {
      // Nothing but `outlets` refers to the last node yet, so it may still change.
      Object.assign(last, { label: `${name} (${last.label})` });
    }
    return outlets;
  }

  #place(
    node: Unplaced<WiringNode>,
    { attributes }: Place,
    inputs: readonly WiringInput[],
    label: string = node.stage.name,
  ): readonly WiringInput[] {
    const placed: WiringNode = { ...node, id: `s${this.nodes.length}`, label, attributes, inputs };
    this.nodes.push(placed);
    return [{ node: placed, outlet: 0 }];
  }
}

/** The nodes of a graph, flows and substreams inlined; `attributes` are those of the run. */
export const wire = (plan: Blueprint, attributes: Attributes = {}): Wiring => {
  const walk = new Walk();
  read(plan, { attributes, before: 0 }, [], walk);
  return walk.nodes;
};
