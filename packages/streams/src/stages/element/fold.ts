import { elementStage } from "../../engine/element-stage.js";
import type { Stage } from "../../model/stage.js";

export const fold = <A, S>(zero: S, f: (state: S, element: A) => S): Stage<A, S> => ({
  traits: { order: "kept", elements: "folded" },
  ...elementStage("fold", () => {
    let state = zero;
    return {
      onElement(element) {
        state = f(state, element);
      },
      onComplete(out) {
        out.push(state);
      },
    };
  }),
});
