import { inPlaceStage } from "../../engine/element-stage.js";
import { DONE, NO_MORE_ELEMENTS } from "../../model/pull.js";
import type { Stage } from "../../model/stage.js";

/** Completes without an element ever asked for. */
const takeNone = <A>(): Stage<A, A> => ({
  name: "take",
  traits: { order: "kept", elements: "kept", ends: true },
  create(upstream) {
    let cancelled = false;
    const cancel = (cause: unknown): void => {
      if (cancelled) return;
      cancelled = true;
      upstream.cancel(cause);
    };
    return {
      pull() {
        cancel(NO_MORE_ELEMENTS);
        return DONE;
      },
      cancel,
    };
  },
});

const takeSome = <A>(count: number): Stage<A, A> => ({
  traits: { order: "kept", elements: "kept", ends: true },
  ...inPlaceStage<A, A>("take", () => {
    let left = count;
    return {
      onChunk(chunk, at) {
        at.written = Math.min(left, chunk.length);
        left -= at.written;
        if (left === 0) return DONE;
      },
    };
  }),
});

export const take = <A>(count: number): Stage<A, A> => (count === 0 ? takeNone() : takeSome(count));
