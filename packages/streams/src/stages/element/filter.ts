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
      // A function may answer nothing for an element because it keeps it for a later output.
      mayKeep: () => nothing,
    };
  }),
});
