import { inPlaceStage } from "../../engine/element-stage.js";
import type { Stage } from "../../model/stage.js";

export const collect = <A, B>(f: (element: A) => B): Stage<A, Exclude<B, undefined>> => ({
  traits: { order: "kept", elements: "mayDrop" },
  ...inPlaceStage<A, Exclude<B, undefined>>("collect", () => {
    let nothing = false;
    return {
      onChunk(chunk, at) {
        let { index, written } = at;
        let mapped: B | undefined;
        try {
          for (; index < chunk.length; index++) {
            mapped = f(chunk[index] as A);
            if (mapped !== undefined) chunk[written++] = mapped as Exclude<B, undefined>;
          }
          nothing = mapped === undefined;
        } finally {
          at.index = index;
          at.written = written;
        }
      },
      mayKeep: () => nothing,
    };
  }),
});
