import { inPlaceStage } from "../../engine/element-stage.js";
import type { Stage } from "../../model/stage.js";

export const filter = <A>(name: string, holds: (element: A) => boolean, keep: boolean): Stage<A, A> => ({
  traits: { order: "kept", elements: "mayDrop" },
  ...inPlaceStage<A, A>(name, () => {
    let nothing = false;
    return {
      onChunk(chunk, at) {
        let { index, written } = at;
        const last = chunk[chunk.length - 1];
        nothing = last === undefined || last === null;
        try {
          for (; index < chunk.length; index++) {
            const element = chunk[index] as A;
            if (holds(element) ? keep : !keep) chunk[written++] = element;
          }
        } finally {
          at.index = index;
          at.written = written;
        }
      },
      // Whoever answers nothing for an element may do so because its turn is yet to come.
      mayKeep: () => nothing,
    };
  }),
});
