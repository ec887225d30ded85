import { randomNumbers } from "../broker/support/random.js";

/** Draws by a seed: the same draws for the same seed. */
export class Random {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = randomNumbers(seed);
  }

  /** From `least` (inclusive) to `most` (exclusive). */
  between(least: number, most: number): number {
    return least + this.#next() * (most - least);
  }

  whole(least: number, most: number): number {
    return Math.floor(this.between(least, most));
  }

  chance(probability: number): boolean {
    return this.#next() < probability;
  }

  shuffled<T>(items: readonly T[]): T[] {
    const shuffled = [...items];
    for (let last = shuffled.length - 1; last > 0; last--) {
      const other = this.whole(0, last + 1);
      [shuffled[last], shuffled[other]] = [shuffled[other] as T, shuffled[last] as T];
    }
    return shuffled;
  }
}
