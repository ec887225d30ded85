import { inPlaceStage } from "../../engine/element-stage.js";
import type { Stage } from "../../model/stage.js";

export const map = <A, B>(f: (element: A) => B): Stage<A, B> => ({
  traits: { order: "kept", elements: "kept" },
  ...inPlaceStage<A, B>("map", () => ({
    onChunk(chunk, at) {
      let { index, written } = at;
      try {
        for (; index < chunk.length; index++) {
          const mapped = f(chunk[index] as A);
          chunk[written++] = mapped;
        }
      } finally {
        at.index = index;
        at.written = written;
      }
    },
  })),
});
