interface Node {
  readonly value: number;
  /** The next node of each level, the lowest first. */
  readonly next: (Node | undefined)[];
}

const LEVELS = 17;

/** Numbers in ascending order: what Java's concurrent sorted maps are made of. */
export class SkipList {
  readonly #head: Node = { value: -1, next: new Array<Node | undefined>(LEVELS).fill(undefined) };
  /** The last node of each level. */
  readonly #tails: Node[] = new Array<Node>(LEVELS).fill(this.#head);
  #random = 1;

  get least(): number | undefined {
    return this.#head.next[0]?.value;
  }

  /** Adds a number that is above all others. */
  append(value: number): void {
    this.#random = (Math.imul(this.#random, 1664525) + 1013904223) | 0;
    const levels = Math.min(Math.clz32(this.#random) + 1, LEVELS);
    const node: Node = { value, next: [] };
    for (let level = 0; level < levels; level++) {
      node.next.push(undefined);
      (this.#tails[level] as Node).next[level] = node;
      this.#tails[level] = node;
    }
  }

  remove(value: number): void {
    let node = this.#head;
    for (let level = LEVELS - 1; level >= 0; level--) {
      let next = node.next[level];
      while (next !== undefined && next.value < value) {
        node = next;
        next = node.next[level];
      }
      if (next?.value !== value) continue;
      node.next[level] = next.next[level];
      if (this.#tails[level] === next) this.#tails[level] = node;
    }
  }
}
