import { inPlaceStage } from "../../engine/element-stage.js";
import type { Stage } from "../../model/stage.js";

export const drop = <A>(count: number): Stage<A, A> => ({
  traits: { order: "kept", elements: "mayDrop" },
  ...inPlaceStage<A, A>("drop", () => {
    let left = count;
    return {
      onChunk(chunk, at) {
        const dropped = Math.min(left, chunk.length);
        left -= dropped;
        chunk.copyWithin(0, dropped);
        at.written = chunk.length - dropped;
      },
    };
  }),
});
