import { elementStage } from "../../engine/element-stage.js";
import type { Stage } from "../../engine/stage.js";

export const mapConcat = <A, B>(f: (element: A) => Iterable<B>): Stage<A, B> =>
  elementStage("mapConcat", () => ({
    onElement(element, out) {
      for (const part of f(element)) out.push(part);
    },
  }));
