import { Latch } from "./until.js";

/** Work that ends when the test says so, by name. */
export class Gate {
  readonly started: string[] = [];
  readonly #latches = new Map<string, Latch>();

  async pass(name: string): Promise<void> {
    this.started.push(name);
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

  fail(name: string, error: unknown): void {
    this.#latches.get(name)?.fail(error);
  }
}
