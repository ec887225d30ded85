import type { Report } from "./meter.js";

/** Where the text goes; `process.stdout` fits. */
export interface Output {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

export const grouped = (count: number): string => count.toLocaleString("en-US");

const BAR = 20;
const bar = (share: number): string => {
  const full = Math.round(Math.min(1, share) * BAR);
  return "█".repeat(full) + "░".repeat(BAR - full);
};

const LINE_EVERY_MS = 1_000;

/** Shows how far the orders are: one line that changes on a terminal, one line a second elsewhere. */
export class Progress {
  readonly #output: Output;
  readonly #ends: readonly number[];
  #positions: number[];
  #measured = { done: 0, atMs: performance.now(), perSecond: 0 };
  #joined = false;
  #uncommitted = 0;
  #open = false;

  constructor(output: Output, ends: readonly number[]) {
    this.#output = output;
    this.#ends = ends;
    this.#positions = ends.map(() => 0);
  }

  /** Orders finished, whether their offsets are committed or not. */
  get done(): number {
    return this.#positions.reduce((sum, position) => sum + position, 0);
  }

  /** Orders finished, and not committed when the pipeline reported last. */
  get uncommitted(): number {
    return this.#uncommitted;
  }

  /** By partition, the orders not finished yet. */
  get lag(): readonly number[] {
    return this.#ends.map((end, partition) => end - (this.#positions[partition] ?? 0));
  }

  /** A process begins, or begins again, at these positions. */
  restart(positions: readonly (number | undefined)[]): void {
    this.#positions = this.#ends.map((_, partition) => positions[partition] ?? 0);
    this.#joined = false;
    this.#measured = { done: this.done, atMs: performance.now(), perSecond: 0 };
  }

  update(report: Report): void {
    for (const [partition, position] of report.positions) this.#positions[partition] = position;
    this.#uncommitted = report.uncommitted;
    this.#joined = report.positions.length > 0;
    const nowMs = performance.now();
    const elapsedMs = nowMs - this.#measured.atMs;
    const isDue = elapsedMs >= LINE_EVERY_MS;
    if (isDue) {
      const perSecond = Math.round(((this.done - this.#measured.done) / elapsedMs) * 1_000);
      this.#measured = { done: this.done, atMs: nowMs, perSecond };
    }
    if (isDue || this.#output.isTTY === true) this.#show(report.inFlight);
  }

  /** Ends the line that changes, if there is one. */
  close(): void {
    if (this.#open) this.#output.write("\n");
    this.#open = false;
  }

  #show(inFlight: number): void {
    const total = this.#ends.reduce((sum, end) => sum + end, 0);
    const { perSecond } = this.#measured;
    const onTerminal = this.#output.isTTY === true;
    const done = `   ${grouped(this.done).padStart(grouped(total).length)} of ${grouped(total)}`;
    const columns = [
      onTerminal ? `   ${bar(this.done / total)}${done}` : done,
      `${grouped(perSecond)}/s`.padStart(7),
      `in flight ${inFlight.toString().padStart(3)}`,
      `lag ${this.lag.map(grouped).join(" ")}`,
      ...(onTerminal && perSecond > 0 ? [`${Math.ceil((total - this.done) / perSecond)} s left`] : []),
    ];
    const line = this.#joined ? columns.join("   ") : `${columns[0] ?? ""}   waiting for its partitions`;
    this.#open = onTerminal;
    this.#output.write(this.#open ? `\r\u001B[2K${line}` : `${line}\n`);
  }
}
