import { elementStage } from "../../engine/element-stage.js";
import type { Stage } from "../../model/stage.js";

export const grouped = <A>(size: number): Stage<A, readonly A[]> => ({
  traits: { order: "kept", elements: "gathered" },
  ...elementStage("grouped", () => {
    let group: A[] = [];
    return {
      onElement(element, out) {
        group.push(element);
        if (group.length < size) return;
        out.push(group);
        group = [];
      },
      onComplete(out) {
        if (group.length > 0) out.push(group);
      },
    };
  }),
});
