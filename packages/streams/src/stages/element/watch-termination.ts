import { DONE, isFailure, type Pull, type Pulled } from "../../model/pull.js";
import type { MatStage } from "../../model/stage.js";

/** Materialises a promise of the end: it rejects with the failure that passed, for which the sink answers. */
export const watchTermination = <A>(): MatStage<A, A, Promise<void>> => ({
  name: "watchTermination",
  traits: { order: "kept", elements: "kept" },
  createWithMat(upstream, run) {
    let complete = (): void => undefined;
    let fail = (_error: unknown): void => undefined;
    const mat = new Promise<void>((resolve, reject) => {
      complete = resolve;
      fail = reject;
    });
    let cancelled = false;
    const outlet: Pull<A> = {
      pull(wake) {
        let pulled: Pulled<A>;
        try {
          pulled = upstream.pull(wake);
        } catch (error) {
          fail(error);
          throw error;
        }
        if (pulled === DONE) complete();
        return pulled;
      },
      passed: () => upstream,
      cancel(cause) {
        if (cancelled) return;
        cancelled = true;
        if (isFailure(cause)) fail(cause);
        else complete();
        upstream.cancel(cause);
      },
    };
    return { outlet, mat: run.watched(mat) };
  },
});
