import type { BufferedRun } from "./fetched-chunk.js";

/** Records of one partition that were read and not taken, in order. */
export class BufferedRuns {
  #runs: BufferedRun[] = [];
  #records = 0;
  #bytes = 0;

  get records(): number {
    return this.#records;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The oldest. */
  get first(): BufferedRun | undefined {
    return this.#runs[0];
  }

  add(run: BufferedRun): void {
    this.#runs.push(run);
    this.#records += run.to - run.from;
    this.#bytes += run.bytes;
  }

  /** The oldest run, or as much of it as fits into `records` and `bytes`; `undefined` if its first record does not. */
  take(records: number, bytes: number = Number.POSITIVE_INFINITY): BufferedRun | undefined {
    const [first] = this.#runs;
    if (!first || records <= 0) return undefined;
    const length = first.to - first.from;
    const run = length <= records && first.bytes <= bytes ? first : this.#part(first, Math.min(length, records), bytes);
    if (!run) return undefined;
    this.#records -= run.to - run.from;
    this.#bytes -= run.bytes;
    if (run.to === first.to) {
      this.#runs.shift();
      return run;
    }
    this.#runs[0] = { ...first, from: run.to, bytes: first.bytes - run.bytes };
    first.fetched.split();
    return run;
  }

  #part(run: BufferedRun, records: number, bytes: number): BufferedRun | undefined {
    const { chunk } = run.fetched;
    let to = run.from;
    let taken = 0;
    for (const most = run.from + records; to < most; to++) {
      const more = chunk.bytes(to);
      if (taken + more > bytes) break;
      taken += more;
    }
    return to === run.from ? undefined : { ...run, to, bytes: taken, lastOffset: chunk.offset(to - 1) };
  }

  /** What was taken last and not read comes first again. */
  giveBack(run: BufferedRun): void {
    this.#runs.unshift(run);
    this.#records += run.to - run.from;
    this.#bytes += run.bytes;
  }

  /** Drops what waits; returns how many records that was. */
  drop(): number {
    const dropped = this.#records;
    for (const run of this.#runs) run.fetched.done(run);
    this.#runs = [];
    this.#records = 0;
    this.#bytes = 0;
    return dropped;
  }
}
