/** What is known of a partition's committed position over time: at each moment, a floor of it. */
export class Timeline {
  readonly #times: number[] = [];
  readonly #floors: number[] = [];
  #sorted = true;

  /** The position was at least this, from this moment on. */
  add(at: number, position: number): void {
    // 1. Workers and the oracle tell what they know; 2. messages overtake each other; 3. so they are sorted when asked for.
    if (at < (this.#times.at(-1) ?? 0)) this.#sorted = false;
    this.#times.push(at);
    this.#floors.push(position);
  }

  /** The highest floor known from before that moment; 0 when there is none. */
  before(moment: number): number {
    if (!this.#sorted) this.#sort();
    let low = 0;
    let high = this.#times.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#times[middle] ?? 0) < moment) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? 0 : (this.#floors[low - 1] ?? 0);
  }

  #sort(): void {
    const entries = this.#times
      .map((at, index) => [at, this.#floors[index] ?? 0] as const)
      .sort(([left], [right]) => left - right);
    let highest = 0;
    entries.forEach(([at, floor], index) => {
      highest = Math.max(highest, floor);
      this.#times[index] = at;
      this.#floors[index] = highest;
    });
    this.#sorted = true;
  }
}
