import { chunkStage } from "../../engine/element-stage.js";
import type { Stage } from "../../engine/stage.js";

export const collect = <A, B>(f: (element: A) => B): Stage<A, Exclude<B, undefined>> =>
  chunkStage("collect", () => ({
    onChunk(input, out, at) {
      for (; at.index < input.length; at.index++) {
        const mapped = f(input[at.index] as A);
        if (mapped !== undefined) out.push(mapped as Exclude<B, undefined>);
      }
    },
  }));
