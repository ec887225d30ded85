import { chunkStage } from "../../engine/element-stage.js";
import { DONE, type Pull } from "../../model/pull.js";
import type { Run } from "../../engine/run.js";
import type { Stage } from "../../model/stage.js";

/** The states behind the first `zero`; one that begins afresh emits it again. */
const running = <A, S>(upstream: Pull<A>, run: Run, zero: S, f: (state: S, element: A) => S): Pull<S> => {
  let begun = false;
  const states = chunkStage<A, S>("scan", () => {
    let state = zero;
    let owesZero = begun;
    begun = true;
    return {
      onChunk(input, out, at) {
        if (owesZero) out.push(zero);
        owesZero = false;
        for (; at.index < input.length; at.index++) {
          state = f(state, input[at.index] as A);
          out.push(state);
        }
      },
    };
  });
  return states.create(upstream, run);
};

/** Emits `zero` before it asks upstream for anything, then every state. */
export const scan = <A, S>(zero: S, f: (state: S, element: A) => S): Stage<A, S> => ({
  name: "scan",
  traits: { order: "kept", elements: "mayAdd" },
  create(upstream, run): Pull<S> {
    const rest = running(upstream, run, zero, f);
    let first = true;
    let cancelled = false;
    return {
      pull(wake) {
        if (cancelled) return DONE;
        if (!first) return rest.pull(wake);
        first = false;
        return [zero];
      },
      cancel(cause) {
        cancelled = true;
        rest.cancel(cause);
      },
    };
  },
});
