import { DONE, type Pull, type Pulled, type Wake } from "../../model/pull.js";
import type { Junction } from "../../model/stage.js";

class Concat<A> implements Pull<A> {
  readonly #upstreams: readonly Pull<A>[];
  #current = 0;

  constructor(upstreams: readonly Pull<A>[]) {
    this.#upstreams = upstreams;
  }

  pull(wake: Wake): Pulled<A> {
    for (let upstream = this.#upstreams[this.#current]; upstream; upstream = this.#upstreams[this.#current]) {
      let pulled: Pulled<A>;
      try {
        pulled = upstream.pull(wake);
      } catch (error) {
        this.#current += 1;
        this.cancel(error);
        throw error;
      }
      if (pulled !== DONE) return pulled;
      this.#current += 1;
    }
    return DONE;
  }

  cancel(cause: unknown): void {
    const open = this.#upstreams.slice(this.#current);
    this.#current = this.#upstreams.length;
    for (const upstream of open) upstream.cancel(cause);
  }
}

export const concat: Junction<unknown, unknown> = {
  name: "concat",
  traits: { joins: "appends" },
  create: (upstreams) => new Concat(upstreams),
};
