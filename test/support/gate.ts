import { Latch } from "./latch.js";

/** Work that ends when the test says so, by name. */
export class Gate {
  readonly started: string[] = [];
  readonly #latches = new Map<string, Latch>();
  #open = false;

  async pass(name: string): Promise<void> {
    this.started.push(name);
    if (this.#open) return;
    const latch = new Latch();
    this.#latches.set(name, latch);
    await latch.opened;
  }

  open(...names: readonly string[]): void {
    for (const name of names) {
      const latch = this.#latches.get(name);
      if (!latch) throw new Error(`${name} has not started`);
      latch.open();
    }
  }

  /** What comes ends at once. */
  openAll(): void {
    this.#open = true;
  }

  fail(name: string, error: unknown): void {
    this.#latches.get(name)?.fail(error);
  }
}
