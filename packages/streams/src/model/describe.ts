import type { Blueprint } from "./blueprint.js";
import { wire } from "./wiring.js";

/** A graph as one line per stage, or as the source of a Mermaid flowchart. */
export const describe = (plan: Blueprint, format: "text" | "mermaid"): string => {
  const graph = wire(plan);
  if (format === "mermaid") {
    const nodes = graph.map(({ id, label }) => `  ${id}["${label.replaceAll('"', "#quot;")}"]`);
    const edges = graph.flatMap(({ id, inputs }) => inputs.map((input) => `  ${input.node.id} --> ${id}`));
    return ["flowchart LR", ...nodes, ...edges].join("\n");
  }
  return graph
    .map(({ label, inputs }) => {
      const from = inputs.map((input) => input.node.label);
      return from.length === 0 ? label : `${label} <- ${from.join(", ")}`;
    })
    .join("\n");
};
