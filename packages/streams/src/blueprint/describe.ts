import type { Blueprint } from "./blueprint.js";

interface Drawing {
  readonly nodes: { readonly id: string; readonly label: string }[];
  readonly edges: (readonly [from: string, to: string])[];
}

const add = (drawing: Drawing, label: string, from: readonly string[]): readonly string[] => {
  const id = `s${drawing.nodes.length}`;
  drawing.nodes.push({ id, label });
  for (const upstream of from) drawing.edges.push([upstream, id]);
  return [id];
};

/** Draws `plan` behind `inlet` and answers the node whose outlet is open. */
const draw = (plan: Blueprint, drawing: Drawing, inlet: readonly string[]): readonly string[] => {
  switch (plan.tag) {
    case "hole":
      return inlet;
    case "source":
      return add(drawing, plan.source.name, []);
    case "stage":
    case "matStage":
      return add(drawing, plan.stage.name, draw(plan.upstream, drawing, inlet));
    case "sink":
      add(drawing, plan.sink.name, draw(plan.upstream, drawing, inlet));
      return [];
    case "graft":
      return draw(plan.graft, drawing, draw(plan.upstream, drawing, inlet));
    case "fanIn": {
      const upstreams = plan.upstreams.flatMap((upstream) => draw(upstream, drawing, inlet));
      return add(drawing, plan.junction.name, upstreams);
    }
    case "fanOut": {
      const fork = add(drawing, plan.fork.name, draw(plan.upstream, drawing, inlet));
      const open = plan.branches.flatMap((branch) => draw(branch, drawing, fork));
      return plan.join ? add(drawing, plan.join.name, open) : open;
    }
    case "mat":
      return draw(plan.upstream, drawing, inlet);
    case "attributes": {
      const before = drawing.nodes.length;
      const outlet = draw(plan.upstream, drawing, inlet);
      const last = drawing.nodes.at(-1);
      if (plan.attributes.name !== undefined && last && drawing.nodes.length > before) {
        drawing.nodes[drawing.nodes.length - 1] = { id: last.id, label: `${plan.attributes.name} (${last.label})` };
      }
      return outlet;
    }
  }
};

/** A graph as one line per stage, or as the source of a Mermaid flowchart. */
export const describe = (plan: Blueprint, format: "text" | "mermaid"): string => {
  const drawing: Drawing = { nodes: [], edges: [] };
  draw(plan, drawing, []);
  if (format === "mermaid") {
    const nodes = drawing.nodes.map(({ id, label }) => `  ${id}["${label.replaceAll('"', "#quot;")}"]`);
    const edges = drawing.edges.map(([from, to]) => `  ${from} --> ${to}`);
    return ["flowchart LR", ...nodes, ...edges].join("\n");
  }
  const label = (id: string): string => drawing.nodes.find((each) => each.id === id)?.label ?? id;
  return drawing.nodes
    .map((each) => {
      const from = drawing.edges.filter(([, to]) => to === each.id).map(([upstream]) => label(upstream));
      return from.length === 0 ? each.label : `${each.label} <- ${from.join(", ")}`;
    })
    .join("\n");
};
