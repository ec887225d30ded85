import type { Chunk, Pull, Pulled, Wake } from "../../model/pull.js";
import type { Fork } from "../../model/stage.js";
import type { WithClaim } from "./claim.js";

/** Chunks on their way, each as `change` makes it. */
class Changed<A> implements Pull<A> {
  readonly #upstream: Pull<A>;
  readonly #change: (chunk: Chunk<A>) => Chunk<A>;

  constructor(upstream: Pull<A>, change: (chunk: Chunk<A>) => Chunk<A>) {
    this.#upstream = upstream;
    this.#change = change;
  }

  pull(wake: Wake): Pulled<A> {
    const pulled = this.#upstream.pull(wake);
    return typeof pulled === "symbol" ? pulled : this.#change(pulled);
  }

  cancel(cause: unknown): void {
    this.#upstream.cancel(cause);
  }
}

type Pair = WithClaim<unknown>;

/** A fork that gives every outlet each element, for pairs: each outlet has its own, with a share of the claim. */
export const sharing = (fork: Fork<unknown, unknown>): Fork<Pair, Pair> => ({
  ...fork,
  create(upstream, outlets, run) {
    const shared = new Changed(upstream, (chunk) => {
      for (const { claim } of chunk) claim.share(outlets - 1);
      return chunk;
    });
    return fork
      .create(shared, outlets, run)

      .map(
        (outlet) => new Changed(outlet as Pull<Pair>, (chunk) => chunk.map(({ value, claim }) => ({ value, claim }))),
      );
  },
});
