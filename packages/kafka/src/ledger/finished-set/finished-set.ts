import { bounded, countAtOrBelow, type Edges, NO_EDGES, rebase } from "./edges.js";

/**
 * Offsets at or above a committed position whose records are finished already.
 *
 * Immutable. A look-up takes O(log n) of the number of runs of finished offsets.
 */
export class FinishedSet {
  readonly #position: number;
  readonly #edges: Edges;

  constructor(position: number, edges: Edges) {
    this.#position = position;
    this.#edges = bounded(edges);
  }

  /** Whether nothing is known to be finished. */
  get isEmpty(): boolean {
    return this.#edges.length === 0;
  }

  /** How many offsets are finished. */
  get size(): number {
    let size = 0;
    this.#edges.forEach((edge, index) => (size += index % 2 === 0 ? -edge : edge));
    return size;
  }

  /** The highest finished offset; -1 if nothing is: beyond it there is no need to ask. */
  get lastOffset(): number {
    const end = this.#edges.at(-1);
    return end === undefined ? -1 : this.#position + end - 1;
  }

  /** Whether the record at this offset is finished. */
  has(offset: number): boolean {
    return countAtOrBelow(this.#edges, offset - this.#position) % 2 === 1;
  }

  /** What is finished at or above a position, relative to it; nothing for a position below this set's. */
  edgesFrom(position: number): Edges {
    return rebase(this.#edges, position - this.#position);
  }
}

/** What is known when the metadata says nothing. */
export const NOTHING_FINISHED: FinishedSet = new FinishedSet(0, NO_EDGES);
