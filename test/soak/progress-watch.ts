import type { Interval, Life } from "./life.js";
import { type Oracle, Violations } from "./oracle.js";

const PROCESS_MS = 45_000;
const PARTITION_MS = 60_000;

const last = (intervals: readonly Interval[]): number => intervals.at(-1)?.until ?? 0;

/** Sees to it that nothing stands still while there is work and nothing is done to it. */
export class ProgressWatch {
  readonly #oracle: Oracle;
  readonly #positions: { position: number; at: number }[];
  readonly processes = new Violations();
  readonly partitions = new Violations();

  constructor(oracle: Oracle) {
    this.#oracle = oracle;
    this.#positions = oracle.committed.map((position) => ({ position, at: Date.now() }));
  }

  look(now: number, living: readonly Life[], brokerFaults: readonly Interval[]): void {
    this.#lookAtPartitions(now, last(brokerFaults));
    for (const life of living) {
      // Infinity while a fault lasts: then nothing is expected.
      const quietSince = Math.max(life.startedAt, life.progressAt, last(life.stalls), last(brokerFaults));
      if (life.drainAt !== undefined || now - quietSince < PROCESS_MS) continue;
      this.processes.add(`process ${life.number} in slot ${life.slot} got nothing for ${PROCESS_MS / 1000} s`);
      life.progressAt = now;
    }
  }

  #lookAtPartitions(now: number, brokerBack: number): void {
    this.#positions.forEach((known, partition) => {
      const position = this.#oracle.committed[partition] ?? 0;
      const isIdle = position >= (this.#oracle.ends[partition] ?? 0);
      if (position > known.position || isIdle) Object.assign(known, { position, at: now });
      if (now - Math.max(known.at, brokerBack) < PARTITION_MS) return;
      this.partitions.add(`partition ${partition} stayed at ${position} for ${PARTITION_MS / 1000} s`);
      known.at = now;
    });
  }
}
