import { type Blueprint, hole, node } from "./model/blueprint.js";
import type { MatStage, Stage } from "./model/stage.js";
import { Keep } from "./keep.js";
import { type Kind, Operators } from "./operators.js";
import type { FlowShape, SinkShape } from "./shapes.js";
import { Sink } from "./sink.js";

interface FlowKind<In> extends Kind {
  readonly Type: Flow<In, this["Out"], this["Mat"]>;
}

/** A reusable piece of a stream, with one open inlet and one open outlet. */
export class Flow<in In, out Out, out Mat = void>
  extends Operators<FlowKind<In>, Out, Mat>
  implements FlowShape<In, Out, Mat>
{
  declare readonly "~types"?: {
    readonly kind: "flow";
    readonly in: (element: In) => void;
    readonly out: Out;
    readonly mat: Mat;
  };
  readonly blueprint: Blueprint;

  constructor(blueprint: Blueprint) {
    super();
    this.blueprint = blueprint;
  }

  /** The flow that passes everything on: where a reusable operator starts. */
  static of<A>(): Flow<A, A> {
    return new Flow(hole);
  }

  /** A flow of one stage, for stage authors. */
  static fromStage<In, Out>(stage: Stage<In, Out>): Flow<In, Out> {
    return new Flow(node("stage", { upstream: hole, stage }));
  }

  /** A flow of one stage with a materialised value, for stage authors. */
  static fromMatStage<In, Out, Mat>(stage: MatStage<In, Out, Mat>): Flow<In, Out, Mat> {
    return new Flow(node("matStage", { upstream: hole, stage, combine: Keep.right }));
  }

  protected derive(blueprint: Blueprint): Flow<In, unknown, unknown> {
    return new Flow(blueprint);
  }

  /** Closes the flow with a sink, keeping the flow's materialised value. */
  to(sink: SinkShape<Out, unknown>): Sink<In, Mat> {
    return this.toMat(sink, Keep.left);
  }

  /** Closes the flow with a sink and combines the materialised values. */
  toMat<M2, M3>(sink: SinkShape<Out, M2>, combine: (left: Mat, right: M2) => M3): Sink<In, M3> {
    return new Sink(node("graft", { upstream: this.blueprint, graft: sink.blueprint, combine }));
  }
}
