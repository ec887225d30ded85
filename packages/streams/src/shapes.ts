import type { Blueprint } from "./model/blueprint.js";

// `~types` exists only in the types: it lets the compiler infer elements and materialised values from a shape.

/** Anything with an open outlet: what `merge`, `concat`, `zip` accept. */
export interface SourceShape<out Out, out Mat> {
  readonly blueprint: Blueprint;
  readonly "~types"?: { readonly kind: "source"; readonly out: Out; readonly mat: Mat };
}

/** Anything with an open inlet and outlet: what `via` accepts. */
export interface FlowShape<in In, out Out, out Mat> {
  readonly blueprint: Blueprint;
  readonly "~types"?: {
    readonly kind: "flow";
    readonly in: (element: In) => void;
    readonly out: Out;
    readonly mat: Mat;
  };
}

/** Anything with an open inlet: what `to` accepts. */
export interface SinkShape<in In, out Mat> {
  readonly blueprint: Blueprint;
  readonly "~types"?: { readonly kind: "sink"; readonly in: (element: In) => void; readonly mat: Mat };
}
