import { hole, node } from "./model/blueprint.js";
import { soon } from "./engine/host.js";
import { DONE, NO_MORE_ELEMENTS, type Pull, type Pulled, WAIT, type Wake } from "./model/pull.js";
import type { Run } from "./engine/run.js";
import type { MatStage } from "./model/stage.js";
import { Flow } from "./flow.js";
import { Keep } from "./keep.js";

/** Ends a running stream from outside; the first call wins. */
export interface KillSwitch {
  /** Completes downstream and cancels upstream; elements already past the switch are delivered. */
  shutdown(): void;
  /** Fails downstream with `error` and cancels upstream with it. */
  abort(error: unknown): void;
}

interface Thrown {
  readonly failure?: { readonly error: unknown };
}

class SwitchPull<A> implements Pull<A>, KillSwitch {
  readonly #upstream: Pull<A>;
  readonly #run: Run;
  #thrown: Thrown | undefined;
  #wake: Wake | undefined;
  #ended = false;

  constructor(upstream: Pull<A>, run: Run) {
    this.#upstream = upstream;
    this.#run = run;
  }

  readonly #notify = (): void => {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  };

  pull(wake: Wake): Pulled<A> {
    if (this.#thrown) return this.#answer(this.#thrown);
    if (this.#ended) return DONE;
    let pulled: Pulled<A>;
    try {
      pulled = this.#upstream.pull(this.#notify);
    } catch (error) {
      this.#ended = true;
      throw error;
    }
    // A function upstream threw the switch from inside this pull: what it answered has not passed.
    if (this.#thrown) return this.#answer(this.#thrown);
    if (pulled === WAIT) this.#wake = wake;
    else if (pulled === DONE) this.#ended = true;
    return pulled;
  }

  #answer(thrown: Thrown): typeof DONE {
    if (thrown.failure) throw thrown.failure.error;
    return DONE;
  }

  cancel(cause: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#wake = undefined;
    if (!this.#thrown) this.#upstream.cancel(cause);
  }

  shutdown(): void {
    this.#kill({}, NO_MORE_ELEMENTS);
  }

  abort(error: unknown): void {
    // The caller of `abort` knows of its error.
    this.#run.heard(error);
    this.#kill({ failure: { error } }, error);
  }

  #kill(thrown: Thrown, cause: unknown): void {
    if (this.#thrown || this.#ended) return;
    this.#thrown = thrown;
    this.#upstream.cancel(cause);
    // Later, because a user function may throw the switch from inside a pull of the very stages that wait here.
    soon(this.#notify);
  }
}

const single = <A>(): MatStage<A, A, KillSwitch> => ({
  name: "killSwitch",
  traits: { order: "kept", elements: "kept", ends: true },
  createWithMat(upstream, run) {
    const outlet = new SwitchPull(upstream, run);
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
