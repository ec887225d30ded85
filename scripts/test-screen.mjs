// What `pnpm test` shows of the rings that are under way: a line that changes on a terminal, and one a minute elsewhere.
import { existsSync, readFileSync } from "node:fs";

const EVERY_MS = process.stdout.isTTY ? 500 : 60_000;

const minutes = (ms) => (ms < 60_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`);

export class Screen {
  #rings = new Map();
  #timer = setInterval(() => this.#tell(), EVERY_MS);
  #live = false;

  /** `underWay` is where its reporter writes how many tests are done, of how many, and which one has begun. */
  begin(ring, underWay) {
    this.#rings.set(ring, { underWay, began: Date.now() });
  }

  end(ring) {
    this.#rings.delete(ring);
  }

  write(text) {
    this.#clear();
    process.stdout.write(text);
  }

  close() {
    clearInterval(this.#timer);
    this.#clear();
  }

  #clear() {
    if (this.#live) process.stdout.write("\r\u001B[2K");
    this.#live = false;
  }

  #tell() {
    if (this.#rings.size === 0) return;
    const line = [...this.#rings].map(([ring, state]) => this.#inWords(ring, state)).join(" · ");
    this.#clear();
    this.#live = process.stdout.isTTY === true;
    process.stdout.write(this.#live ? line.slice(0, process.stdout.columns - 1) : `… ${line}\n`);
  }

  #inWords(ring, { underWay, began }) {
    const elapsed = Date.now() - began;
    const [counts = ""] = existsSync(underWay) ? readFileSync(underWay, "utf8").split("\n") : [];
    const [done, total] = counts.split("/").map(Number);
    if (!(done > 0)) return `${ring} ${minutes(elapsed)}`;
    // Tests differ a hundredfold: a few say nothing about the rest.
    const left = done < total / 4 ? "" : `, ${minutes((elapsed * (total - done)) / done)} left`;
    return `${ring} ${done}/${total}${left}`;
  }
}
