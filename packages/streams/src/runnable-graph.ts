import { type Blueprint, node } from "./model/blueprint.js";
import { describe } from "./model/describe.js";
import type { Attributes } from "./attributes.js";
import { materialize } from "./engine/materialize.js";
import type { RunOptions } from "./engine/run.js";

/** A graph without open ends: a value that can be run, as often as wanted. */
export class RunnableGraph<out Mat> {
  readonly blueprint: Blueprint;

  constructor(blueprint: Blueprint) {
    this.blueprint = blueprint;
  }

  /** Runs the graph and answers its materialised value; elements begin to flow after this call has returned. */
  run(options?: RunOptions): Mat {
    return materialize(this.blueprint, options) as Mat;
  }

  /** Changes what `run` answers. */
  mapMaterializedValue<Mat2>(f: (mat: Mat) => Mat2): RunnableGraph<Mat2> {
    return new RunnableGraph(node("mat", { upstream: this.blueprint, f }));
  }

  /** Applies attributes to every stage of the graph; attributes set further inside win. */
  withAttributes(attributes: Attributes): RunnableGraph<Mat> {
    return new RunnableGraph(node("attributes", { upstream: this.blueprint, attributes }));
  }

  /** The graph as text, or as the source of a Mermaid flowchart. */
  describe(format: "text" | "mermaid" = "text"): string {
    return describe(this.blueprint, format);
  }
}
