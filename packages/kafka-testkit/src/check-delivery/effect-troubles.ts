/** What the weather is for each kind of effect: how much longer it takes, and how many of the next ones fail. */
export class EffectTroubles {
  readonly #extraMs = new Map<number, number>();
  readonly #failing = new Map<number, number>();

  slow(kind: number, ms: number): void {
    this.#extraMs.set(kind, ms);
  }

  fail(kind: number, times: number): void {
    this.#failing.set(kind, times);
  }

  extraMs(kind: number): number {
    return this.#extraMs.get(kind) ?? 0;
  }

  /** Whether this one fails; asked once for each. */
  fails(kind: number): boolean {
    const left = this.#failing.get(kind) ?? 0;
    if (left > 0) this.#failing.set(kind, left - 1);
    return left > 0;
  }
}
