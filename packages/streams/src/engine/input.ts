import type { Chunk } from "../model/pull.js";

/** The chunk that a stage works through by element; a separate object, so that its fields are quick to reach. */
export class Input<A> {
  #chunk: Chunk<A> = [];
  #next = 0;

  /** Elements that are left of it. */
  get left(): number {
    return this.#chunk.length - this.#next;
  }

  /** The next element, which stays the next one. */
  peek(): A {
    return this.#chunk[this.#next] as A;
  }

  /** The next element, of those that are left. */
  next(): A {
    return this.#chunk[this.#next++] as A;
  }

  begin(chunk: Chunk<A>): void {
    this.#chunk = chunk;
    this.#next = 0;
  }
}
