import { chunkStage } from "../../engine/element-stage.js";
import type { Stage } from "../../engine/stage.js";

export const map = <A, B>(f: (element: A) => B): Stage<A, B> =>
  chunkStage("map", () => ({
    onChunk(input, out, at) {
      for (; at.index < input.length; at.index++) out.push(f(input[at.index] as A));
    },
  }));
