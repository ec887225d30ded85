import { hole, node } from "./blueprint/blueprint.js";
import { DONE, NO_MORE_ELEMENTS, type Pull, type Wake } from "./engine/pull.js";
import type { MatStage } from "./engine/stage.js";
import { Flow } from "./flow.js";
import { Keep } from "./keep.js";

/** Ends a running stream from outside; the first call wins. */
export interface KillSwitch {
  /** Completes downstream and cancels upstream; elements already past the switch are delivered. */
  shutdown(): void;
  /** Fails downstream with `error` and cancels upstream with it. */
  abort(error: unknown): void;
}

class SwitchPull<A> implements Pull<A>, KillSwitch {
  readonly #upstream: Pull<A>;
  #thrown: { readonly failure?: { readonly error: unknown } } | undefined;
  #wake: Wake | undefined;
  #ended = false;

  constructor(upstream: Pull<A>) {
    this.#upstream = upstream;
  }

  readonly #onUpstream = (): void => this.#notify();

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  pull(wake: Wake): ReturnType<Pull<A>["pull"]> {
    if (this.#thrown?.failure) throw this.#thrown.failure.error;
    if (this.#thrown || this.#ended) return DONE;
    this.#wake = wake;
    const pulled = this.#upstream.pull(this.#onUpstream);
    if (typeof pulled !== "symbol") this.#wake = undefined;
    else if (pulled === DONE) this.#ended = true;
    return pulled;
  }

  cancel(cause: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#wake = undefined;
    this.#upstream.cancel(cause);
  }

  shutdown(): void {
    this.#kill({}, NO_MORE_ELEMENTS);
  }

  abort(error: unknown): void {
    this.#kill({ failure: { error } }, error);
  }

  #kill(thrown: { readonly failure?: { readonly error: unknown } }, cause: unknown): void {
    if (this.#thrown || this.#ended) return;
    this.#thrown = thrown;
    this.#upstream.cancel(cause);
    this.#notify();
  }
}

const single = <A>(): MatStage<A, A, KillSwitch> => ({
  name: "killSwitch",
  createWithMat(upstream) {
    const outlet = new SwitchPull(upstream);
    return { outlet, mat: outlet };
  },
});

/** Flows that let a stream be ended from outside. */
export const KillSwitches: {
  /** A switch of one stream: `source.viaMat(KillSwitches.single(), Keep.right)`. */
  readonly single: <A>() => Flow<A, A, KillSwitch>;
} = {
  single: <A>() =>
    new Flow<A, A, KillSwitch>(node("matStage", { upstream: hole, stage: single<A>(), combine: Keep.right })),
};
