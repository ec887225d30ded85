import { chunkStage } from "../../engine/element-stage.js";
import type { Stage } from "../../engine/stage.js";

export const filter = <A>(name: string, holds: (element: A) => boolean, keep: boolean): Stage<A, A> =>
  chunkStage(name, () => ({
    onChunk(input, out, at) {
      for (; at.index < input.length; at.index++) {
        const element = input[at.index] as A;
        if (holds(element) === keep) out.push(element);
      }
    },
  }));
