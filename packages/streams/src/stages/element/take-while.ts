import { elementStage } from "../../engine/element-stage.js";
import { DONE } from "../../model/pull.js";
import type { Stage } from "../../model/stage.js";

export const takeWhile = <A>(holds: (element: A) => boolean, inclusive: boolean): Stage<A, A> => ({
  traits: { order: "kept", elements: "kept", ends: true },
  ...elementStage("takeWhile", () => ({
    onElement(element, out) {
      const keep = holds(element);
      if (keep || inclusive) out.push(element);
      if (!keep) return DONE;
    },
  })),
});
