import { Inlet, Waker } from "../../engine/inlet.js";
import { DONE, type Pull, type Pulled, type Wake } from "../../engine/pull.js";
import type { Junction } from "../../engine/stage.js";

/** Takes whatever is there, in turn, so that no busy inlet starves another. */
class Merge<A> implements Pull<A> {
  readonly #waker = new Waker();
  readonly #inlets: readonly Inlet<A>[];
  #turn = 0;

  constructor(upstreams: readonly Pull<A>[]) {
    this.#inlets = upstreams.map((upstream) => new Inlet(upstream, this.#waker.notify));
  }

  pull(wake: Wake): Pulled<A> {
    let open = 0;
    for (let tried = 0; tried < this.#inlets.length; tried++) {
      const inlet = this.#inlets[this.#turn] as Inlet<A>;
      this.#turn = (this.#turn + 1) % this.#inlets.length;
      try {
        const chunk = inlet.take();
        if (chunk) return chunk;
      } catch (error) {
        this.cancel(error);
        throw error;
      }
      if (!inlet.done) open += 1;
    }
    return open === 0 ? DONE : this.#waker.wait(wake);
  }

  cancel(cause: unknown): void {
    this.#waker.clear();
    for (const inlet of this.#inlets) inlet.cancel(cause);
  }
}

const MERGE: unique symbol = Symbol.for("millrace.merge");

/** Whether it is this junction, of whichever copy. */
export const isMerge = (junction: object): boolean => MERGE in junction;

export const merge: Junction<unknown, unknown> & { readonly [MERGE]: true } = {
  [MERGE]: true,
  name: "merge",
  traits: { joins: "mixes" },
  create: (upstreams) => new Merge(upstreams),
};
