import { DONE, type Pull } from "../../model/pull.js";
import type { Stage } from "../../model/stage.js";

export const recover = <A, B>(f: (error: unknown) => B | undefined): Stage<A, A | B> => ({
  name: "recover",
  traits: { order: "kept", elements: "kept", ends: true, recovers: true },
  create(upstream, run): Pull<A | B> {
    let ended = false;
    return {
      pull(wake) {
        if (ended) return DONE;
        try {
          return upstream.pull(wake);
        } catch (error) {
          ended = true;
          const element = f(error);
          if (element === undefined) throw error;
          run.heard(error);
          return [element];
        }
      },
      cancel(cause) {
        if (ended) return;
        ended = true;
        upstream.cancel(cause);
      },
    };
  },
});
