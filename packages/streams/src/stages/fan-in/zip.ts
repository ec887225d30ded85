import { Inlet, Waker } from "../../engine/inlet.js";
import { type Chunk, DONE, NO_MORE_ELEMENTS, type Pull, type Pulled, type Wake } from "../../model/pull.js";
import type { Junction } from "../../model/stage.js";

interface Side<A> {
  readonly inlet: Inlet<A>;
  chunk: Chunk<A>;
  next: number;
}

class Zip<A> implements Pull<readonly A[]> {
  readonly #waker = new Waker();
  readonly #sides: readonly Side<A>[];
  #done = false;

  constructor(upstreams: readonly Pull<A>[]) {
    this.#sides = upstreams.map((upstream) => ({
      inlet: new Inlet(upstream, this.#waker.notify),
      chunk: [],
      next: 0,
    }));
  }

  pull(wake: Wake): Pulled<readonly A[]> {
    if (this.#done) return DONE;
    for (const side of this.#sides) {
      this.#refill(side);
      if (side.inlet.done && side.next === side.chunk.length) {
        this.cancel(NO_MORE_ELEMENTS);
        return DONE;
      }
    }
    const rows = Math.min(...this.#sides.map((side) => side.chunk.length - side.next));
    if (rows === 0) return this.#waker.wait(wake);
    return Array.from({ length: rows }, () => this.#sides.map((side) => side.chunk[side.next++] as A));
  }

  #refill(side: Side<A>): void {
    if (side.next < side.chunk.length) return;
    try {
      const chunk = side.inlet.take();
      if (!chunk) return;
      side.chunk = chunk;
      side.next = 0;
    } catch (error) {
      this.cancel(error);
      throw error;
    }
  }

  cancel(cause: unknown): void {
    this.#done = true;
    this.#waker.clear();
    for (const side of this.#sides) side.inlet.cancel(cause);
  }
}

const ZIP: unique symbol = Symbol.for("millrace.zip");

/** Whether it is this junction, of whichever copy. */
export const isZip = (junction: object): boolean => ZIP in junction;

export const zip: Junction<unknown, readonly unknown[]> & { readonly [ZIP]: true } = {
  [ZIP]: true,
  name: "zip",
  traits: { joins: "pairs" },
  create: (upstreams) => new Zip(upstreams),
};
