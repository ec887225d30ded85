import { elementStage } from "../../engine/element-stage.js";
import { DONE, type Pull } from "../../engine/pull.js";
import type { Stage } from "../../engine/stage.js";

const running = <A, S>(zero: S, f: (state: S, element: A) => S): Stage<A, S> =>
  elementStage("scan", () => {
    let state = zero;
    return {
      onElement(element, out) {
        state = f(state, element);
        out.push(state);
      },
    };
  });

/** Emits `zero` before it asks upstream for anything, then every state. */
export const scan = <A, S>(zero: S, f: (state: S, element: A) => S): Stage<A, S> => {
  const states = running(zero, f);
  return {
    name: "scan",
    traits: { order: "kept", elements: "mayAdd" },
    create(upstream, run): Pull<S> {
      const rest = states.create(upstream, run);
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
  };
};
