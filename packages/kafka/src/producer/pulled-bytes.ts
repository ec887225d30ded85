import { RecordSizes } from "../client/record-sizes.js";

/** However small they are: large ones may follow, and a chunk of them is made before their first is seen. */
const MOST_ELEMENTS = 64;

/** Of the bytes that may be in flight: the part that may wait in front of them, pulled and not encoded. */
const AHEAD = 1 / 4;

/** How many elements a producer wants to be handed at a time. */
export class PulledBytes {
  readonly #aheadBytes: number;
  readonly #limit: (elements: number) => void;
  readonly #sizes = new RecordSizes(0);

  constructor(maxInFlightBytes: number, limit: (elements: number) => void) {
    this.#aheadBytes = maxInFlightBytes * AHEAD;
    this.#limit = limit;
    limit(MOST_ELEMENTS);
  }

  saw(elements: number, bytes: number): void {
    this.#sizes.saw(elements, bytes);
    this.#limit(Math.min(this.#sizes.fitting(this.#aheadBytes), MOST_ELEMENTS));
  }
}
