/** The least of many numbers. */
export class BinaryHeap {
  readonly #values: number[] = [];

  get least(): number | undefined {
    return this.#values[0];
  }

  push(value: number): void {
    const values = this.#values;
    let at = values.length;
    values.push(value);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      const above = values[parent] as number;
      if (above <= value) break;
      values[at] = above;
      at = parent;
    }
    values[at] = value;
  }

  pop(): void {
    const values = this.#values;
    const moved = values.pop();
    if (moved === undefined || values.length === 0) return;
    const size = values.length;
    let at = 0;
    for (let child = 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && (values[child + 1] as number) < (values[child] as number)) child += 1;
      const below = values[child] as number;
      if (below >= moved) break;
      values[at] = below;
      at = child;
    }
    values[at] = moved;
  }
}
