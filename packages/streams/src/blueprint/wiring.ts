import type { Attributes } from "../attributes.js";
import type { Wiring, WiringInput, WiringNode, WiringPlace } from "../engine/stage.js";
import type { Blueprint } from "./blueprint.js";

type Unplaced<Node> = Node extends WiringNode ? Omit<Node, keyof WiringPlace> : never;

/** Walks a blueprint from its beginning, and gathers its nodes. */
class Walk {
  readonly nodes: WiringNode[] = [];

  /** Adds what `plan` says behind `inlets`, and answers its open outlets. */
  add(plan: Blueprint, attributes: Attributes, inlets: readonly WiringInput[]): readonly WiringInput[] {
    switch (plan.tag) {
      case "hole":
        return inlets;
      case "source":
        return this.#place({ kind: "source", stage: plan.source }, attributes, []);
      case "stage": {
        const { stage } = plan;
        const outlets = this.#place({ kind: "stage", stage }, attributes, this.add(plan.upstream, attributes, inlets));
        if (!("substream" in stage)) return outlets;
        const ends = this.add(stage.substream, attributes, outlets);
        return this.#place({ kind: "substreamsEnd", stage }, attributes, ends, "mergeSubstreams");
      }
      case "matStage":
        return this.#place(
          { kind: "stage", stage: plan.stage },
          attributes,
          this.add(plan.upstream, attributes, inlets),
        );
      case "sink":
        this.#place({ kind: "sink", stage: plan.sink }, attributes, this.add(plan.upstream, attributes, inlets));
        return [];
      case "graft":
        return this.add(plan.graft, attributes, this.add(plan.upstream, attributes, inlets));
      case "fanIn": {
        const upstreams = plan.upstreams.flatMap((upstream) => this.add(upstream, attributes, inlets));
        return this.#place({ kind: "junction", stage: plan.junction }, attributes, upstreams);
      }
      case "fanOut":
        return this.#fanOut(plan, attributes, inlets);
      case "mat":
        return this.add(plan.upstream, attributes, inlets);
      case "attributes":
        return this.#named(plan, attributes, inlets);
    }
  }

  #place(
    node: Unplaced<WiringNode>,
    attributes: Attributes,
    inputs: readonly WiringInput[],
    label: string = node.stage.name,
  ): readonly WiringInput[] {
    const placed: WiringNode = { ...node, id: `s${this.nodes.length}`, label, attributes, inputs };
    this.nodes.push(placed);
    return [{ node: placed, outlet: 0 }];
  }

  #fanOut(
    plan: Extract<Blueprint, { tag: "fanOut" }>,
    attributes: Attributes,
    inlets: readonly WiringInput[],
  ): readonly WiringInput[] {
    const upstream = this.add(plan.upstream, attributes, inlets);
    const forked = this.#place({ kind: "fork", stage: plan.fork }, attributes, upstream);
    const open = plan.branches.flatMap((branch, outlet) =>
      this.add(
        branch,
        attributes,
        forked.map(({ node }) => ({ node, outlet })),
      ),
    );
    return plan.join ? this.#place({ kind: "junction", stage: plan.join }, attributes, open) : open;
  }

  /** A name is shown at the last stage of what it was given to. */
  #named(
    plan: Extract<Blueprint, { tag: "attributes" }>,
    attributes: Attributes,
    inlets: readonly WiringInput[],
  ): readonly WiringInput[] {
    const before = this.nodes.length;
    const outlets = this.add(plan.upstream, { ...attributes, ...plan.attributes }, inlets);
    const { name } = plan.attributes;
    const last = this.nodes.at(-1);
    if (name !== undefined && last && this.nodes.length > before) {
      // Nothing but `outlets` refers to the last node yet, so it may still change.
      Object.assign(last, { label: `${name} (${last.label})` });
    }
    return outlets;
  }
}

/** The nodes of a graph, flows and substreams inlined; `attributes` are those of the run. */
export const wire = (plan: Blueprint, attributes: Attributes = {}): Wiring => {
  const walk = new Walk();
  walk.add(plan, attributes, []);
  return walk.nodes;
};
