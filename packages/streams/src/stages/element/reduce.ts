import { elementStage } from "../../engine/element-stage.js";
import type { Stage } from "../../model/stage.js";
import { StreamError } from "../../errors.js";

export const reduce = <A>(f: (accumulated: A, element: A) => A): Stage<A, A> => ({
  traits: { order: "kept", elements: "folded" },
  ...elementStage("reduce", () => {
    let state: { value: A } | undefined;
    return {
      onElement(element) {
        if (state) state.value = f(state.value, element);
        else state = { value: element };
      },
      onComplete(out) {
        if (!state) throw new StreamError("EMPTY_STREAM", "reduce: the stream was empty; use fold, which has a zero");
        out.push(state.value);
      },
    };
  }),
});
