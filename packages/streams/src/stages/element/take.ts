import { chunkStage } from "../../engine/element-stage.js";
import { DONE } from "../../engine/pull.js";
import type { Stage } from "../../engine/stage.js";

export const take = <A>(count: number): Stage<A, A> =>
  chunkStage("take", () => {
    let left = count;
    return {
      onChunk(input, out) {
        const taken = Math.min(left, input.length);
        for (let index = 0; index < taken; index++) out.push(input[index] as A);
        left -= taken;
        if (left === 0) return DONE;
      },
    };
  });
