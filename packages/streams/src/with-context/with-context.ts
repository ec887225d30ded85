import type { Attributes } from "../attributes.js";
import { type Blueprint, hole, node } from "../model/blueprint.js";
import { Keep } from "../keep.js";
import type { Kind } from "../operators.js";
import { OperatorsWithContext } from "./operators.js";
import { RunnableGraph } from "../runnable-graph.js";
import type { FlowShape, SourceShape } from "../shapes.js";
import type { FlowWithContextShape, SourceWithContextShape } from "./shapes.js";
import type { Sink } from "../sink.js";
import { Source } from "../source.js";
import type { WithClaim } from "../stages/with-context/claim.js";
import { discardContext } from "../stages/with-context/element.js";

/** What closes a stream with context: it ends the claim of every element that reaches it. */
export interface ClosesContext<in In, out Mat> {
  readonly withContext: {
    readonly sink: Sink<WithClaim<In>, Mat>;
    /** Applied to the whole graph. */
    readonly attributes: Attributes;
  };
}

/** What a sink has to accept; where elements may be anything, this is checked at run time. */
type Ending<Out> = unknown extends Out ? never : Out;

interface SourceWithContextKind extends Kind {
  readonly Type: SourceWithContext<this["Out"], this["Mat"]>;
}

interface FlowWithContextKind<In> extends Kind {
  readonly Type: FlowWithContext<In, this["Out"], this["Mat"]>;
}

/**
 * The beginning of a stream with context: elements keep the claims of their records through every operator. It ends in
 * a sink that ends claims, or in `discardContext`.
 */
export class SourceWithContext<out Out, out Mat = void>
  extends OperatorsWithContext<SourceWithContextKind, Out, Mat>
  implements SourceWithContextShape<Out, Mat>
{
  declare readonly "~types"?: { readonly kind: "sourceWithContext"; readonly out: Out; readonly mat: Mat };
  readonly blueprint: Blueprint;

  constructor(blueprint: Blueprint) {
    super();
    this.blueprint = blueprint;
  }

  /** From a source that gives each element with its claim, for connectors. */
  static fromSource<A, Mat>(source: SourceShape<WithClaim<A>, Mat>): SourceWithContext<A, Mat> {
    return new SourceWithContext(source.blueprint);
  }

  protected derive(blueprint: Blueprint): SourceWithContext<unknown, unknown> {
    return new SourceWithContext(blueprint);
  }

  /** Closes the stream, keeping the source's materialised value. */
  to<A>(this: SourceWithContext<A, Mat>, sink: ClosesContext<Ending<A>, unknown>): RunnableGraph<Mat> {
    return this.toMat(sink, Keep.left);
  }

  /** Closes the stream and combines the materialised values. */
  toMat<A, M2, M3>(
    this: SourceWithContext<A, Mat>,
    sink: ClosesContext<Ending<A>, M2>,
    combine: (left: Mat, right: M2) => M3,
  ): RunnableGraph<M3> {
    const { sink: end, attributes } = sink.withContext;
    const graph = node("graft", { upstream: this.blueprint, graft: end.blueprint, combine });
    return new RunnableGraph(node("attributes", { upstream: graph, attributes }));
  }

  /** Gives up the context: every claim ends, as discarded, before its element is passed on. */
  discardContext(): Source<Out, Mat> {
    return new Source(node("stage", { upstream: this.blueprint, stage: discardContext<Out>() }));
  }
}

/** A reusable piece of a stream with context. */
export class FlowWithContext<in In, out Out, out Mat = void>
  extends OperatorsWithContext<FlowWithContextKind<In>, Out, Mat>
  implements FlowWithContextShape<In, Out, Mat>
{
  declare readonly "~types"?: {
    readonly kind: "flowWithContext";
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
  static of<A>(): FlowWithContext<A, A> {
    return new FlowWithContext(hole);
  }

  /**
   * From a flow of elements with their claims, for connectors. It must end every share that it does not pass on, and open
   * one for every element that it adds.
   */
  static fromFlow<In, Out, Mat>(flow: FlowShape<WithClaim<In>, WithClaim<Out>, Mat>): FlowWithContext<In, Out, Mat> {
    return new FlowWithContext(flow.blueprint);
  }

  protected derive(blueprint: Blueprint): FlowWithContext<In, unknown, unknown> {
    return new FlowWithContext(blueprint);
  }
}
