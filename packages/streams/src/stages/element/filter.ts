import { inPlaceStage } from "../../engine/element-stage.js";
import type { Stage } from "../../engine/stage.js";

export const filter = <A>(name: string, holds: (element: A) => boolean, keep: boolean): Stage<A, A> => ({
  traits: { order: "kept", elements: "mayDrop" },
  ...inPlaceStage<A, A>(name, () => ({
    onChunk(chunk, at) {
      let { index, written } = at;
      try {
        for (; index < chunk.length; index++) {
          const element = chunk[index] as A;
          if (holds(element) === keep) chunk[written++] = element;
        }
      } finally {
        at.index = index;
        at.written = written;
      }
    },
  })),
});
