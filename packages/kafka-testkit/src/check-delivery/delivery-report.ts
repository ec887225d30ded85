import type { Outcome } from "./outcome.js";

/** What a check has tried without finding a failure; `toString` says it in a sentence. */
export interface DeliveryReport {
  readonly runs: number;
  readonly kills: number;
  /** Over all runs. */
  readonly steps: number;
  readonly records: number;
  /** Effects that happened more than once, of one run: what at-least-once costs. */
  readonly duplicates: { readonly max: number; readonly mean: number };
  /** The most records that one kill repeated. */
  readonly maxReplay: number;
  toString(): string;
}

/** Adds up the runs. */
export class Tally {
  #runs = 0;
  #kills = 0;
  #steps = 0;
  #records = 0;
  #duplicates = 0;
  #maxDuplicates = 0;
  #maxReplay = 0;

  get runs(): number {
    return this.#runs;
  }

  add({ plan, kills, steps, duplicates, maxReplay }: Outcome): void {
    this.#runs += 1;
    this.#kills += kills;
    this.#steps += steps;
    this.#records += plan.records;
    this.#duplicates += duplicates;
    this.#maxDuplicates = Math.max(this.#maxDuplicates, duplicates);
    this.#maxReplay = Math.max(this.#maxReplay, maxReplay);
  }

  report(): DeliveryReport {
    const [runs, kills, steps, records] = [this.#runs, this.#kills, this.#steps, this.#records];
    const duplicates = { max: this.#maxDuplicates, mean: this.#duplicates / Math.max(1, runs) };
    const maxReplay = this.#maxReplay;
    return {
      runs,
      kills,
      steps,
      records,
      duplicates,
      maxReplay,
      toString: () =>
        `${runs} runs of ${steps} steps with ${kills} kills: nothing lost of ${records} records; at most ${duplicates.max} ` +
        `duplicates in a run (${duplicates.mean.toFixed(2)} on average), at most ${maxReplay} records repeated by a kill`,
    };
  }
}
