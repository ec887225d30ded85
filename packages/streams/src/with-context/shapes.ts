import type { Blueprint } from "../model/blueprint.js";

/** Anything with an open outlet and a context: what `merge`, `concat`, `zip` accept on a stream with context. */
export interface SourceWithContextShape<out Out, out Mat> {
  readonly blueprint: Blueprint;
  readonly "~types"?: { readonly kind: "sourceWithContext"; readonly out: Out; readonly mat: Mat };
}

/** Anything with an open inlet, an open outlet and a context: what `via` and the forks of a stream with context accept. */
export interface FlowWithContextShape<in In, out Out, out Mat> {
  readonly blueprint: Blueprint;
  readonly "~types"?: {
    readonly kind: "flowWithContext";
    readonly in: (element: In) => void;
    readonly out: Out;
    readonly mat: Mat;
  };
}

/** Branches of a fork, each with its own output. */
export type FlowsWithContext<In, Branches extends readonly unknown[]> = {
  readonly [Index in keyof Branches]: FlowWithContextShape<In, Branches[Index], unknown>;
};
