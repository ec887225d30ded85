const PENDING: unique symbol = Symbol("PENDING");
const DROPPED: unique symbol = Symbol("DROPPED");

/** Results that come in any order and leave in that of their places; a free place is `PENDING`. */
export class ReorderRing<A> {
  readonly #slots: (A | typeof PENDING | typeof DROPPED)[] = [];
  readonly #mask: number;
  #head = 0;
  #tail = 0;

  /** For at least this many places. */
  constructor(places: number) {
    let slots = 1;
    while (slots < places) slots <<= 1;
    this.#mask = slots - 1;
    for (let slot = 0; slot < slots; slot++) this.#slots.push(PENDING);
  }

  /** `place & mask` is the slot of a place; the number of slots is a power of two. */
  get mask(): number {
    return this.#mask;
  }

  /** Places that are taken. */
  get size(): number {
    return this.#tail - this.#head;
  }

  /** Takes the next place. */
  reserve(): number {
    return this.#tail++;
  }

  /** Whether what comes to this place, or slot, can leave. */
  isFirst(place: number): boolean {
    return ((place ^ this.#head) & this.#mask) === 0;
  }

  put(place: number, value: A): void {
    this.#slots[place & this.#mask] = value;
  }

  /** Nothing comes out at this place. */
  drop(place: number): void {
    this.#slots[place & this.#mask] = DROPPED;
  }

  /** Moves what may leave, and frees its places. */
  collect(into: A[]): void {
    for (; this.#head < this.#tail; this.#head++) {
      const slot = this.#head & this.#mask;
      const result = this.#slots[slot] as A | typeof PENDING | typeof DROPPED;
      if (result === PENDING) return;
      if (result !== DROPPED) into.push(result);
      this.#slots[slot] = PENDING;
    }
  }
}
