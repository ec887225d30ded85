/**
 * The chunk limits that stages of a run set: an element may be small where a chunk is cut and large where it arrives,
 * so only the receiver knows how many fit into memory.
 */
export class ChunkLimits {
  readonly #limits: number[] = [];
  #least = Number.POSITIVE_INFINITY;

  /** The most elements to hand over at a time. */
  get least(): number {
    return this.#least;
  }

  /** Answers a function by which one stage sets its limit. */
  add(): (elements: number) => void {
    const at = this.#limits.push(Number.POSITIVE_INFINITY) - 1;
    return (elements) => {
      if (this.#limits[at] === elements) return;
      this.#limits[at] = elements;
      this.#least = Math.min(...this.#limits);
    };
  }
}
