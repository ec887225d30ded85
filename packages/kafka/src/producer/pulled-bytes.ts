/** However small they are: large ones may follow, and a chunk of them is made before their first is seen. */
const MOST_ELEMENTS = 64;

/** Of the bytes that may be in flight: the part that may wait in front of them, pulled and not encoded. */
const AHEAD = 1 / 4;

/**
 * How many elements a producer wants to be handed at a time. It goes by the mean of the last chunk, at once where its elements
 * were larger than before, by and by where they were smaller.
 */
export class PulledBytes {
  readonly #aheadBytes: number;
  readonly #limit: (elements: number) => void;
  #mean = 0;

  constructor(maxInFlightBytes: number, limit: (elements: number) => void) {
    this.#aheadBytes = maxInFlightBytes * AHEAD;
    this.#limit = limit;
    limit(MOST_ELEMENTS);
  }

  saw(elements: number, bytes: number): void {
    this.#mean = Math.max(bytes / elements, this.#mean / 2);
    const fitting = Math.floor(this.#aheadBytes / Math.max(1, this.#mean));
    this.#limit(Math.min(Math.max(1, fitting), MOST_ELEMENTS));
  }
}
