import { chunkStage } from "../../engine/element-stage.js";
import type { Stage } from "../../engine/stage.js";

export const drop = <A>(count: number): Stage<A, A> =>
  chunkStage("drop", () => {
    let left = count;
    return {
      onChunk(input, out) {
        const dropped = Math.min(left, input.length);
        left -= dropped;
        for (let index = dropped; index < input.length; index++) out.push(input[index] as A);
      },
    };
  });
