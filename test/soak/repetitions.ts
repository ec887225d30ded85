import { type Interval, type Life, WAKING_MS, within } from "./life.js";
import { type Repetition, Violations } from "./oracle.js";
import type { OfPartition } from "./protocol.js";
import type { Timeline } from "./timeline.js";

/** What a process that drained said it had finished. */
export interface Drained {
  readonly at: number;
  readonly life: number;
  readonly positions: OfPartition;
}

export interface History {
  readonly lives: readonly Life[];
  readonly brokerFaults: readonly Interval[];
  readonly timelines: readonly Timeline[];
  readonly drained: readonly Drained[];
}

/** Why outputs came more than once. */
export interface Explained {
  /** Of records that were not committed when they were delivered again, by what had become of their first process. */
  readonly replayed: ReadonlyMap<string, number>;
  /** By a process that had been frozen, or cut off from its broker, and had not heard yet that its partitions were gone. */
  readonly waking: number;
  /** Delivered below a committed position, and no such excuse. */
  readonly belowCommitted: Violations;
  /** Delivered again though a graceful stop had finished them. */
  readonly afterDrain: Violations;
}

const causeOf = (repetition: Repetition, lives: readonly Life[]): string => {
  const ended = lives[repetition.previousLife]?.ended;
  if (ended === undefined || ended.at > repetition.deliveredAt) return "partition moved";
  return `process ${ended.how}`;
};

/** Judges each repetition by the moment of its delivery. */
export const explain = (repetitions: readonly Repetition[], history: History): Explained => {
  const { lives, brokerFaults, timelines, drained } = history;
  const replayed = new Map<string, number>();
  const belowCommitted = new Violations();
  const afterDrain = new Violations();
  let waking = 0;
  for (const repetition of repetitions) {
    const { number, partition, offset, deliveredAt, life } = repetition;
    const stalls = lives[life]?.stalls ?? [];
    if (within(deliveredAt, stalls, WAKING_MS) || within(deliveredAt, brokerFaults, WAKING_MS)) {
      waking += 1;
      continue;
    }
    const text = `record ${number} (${partition}@${offset}) to process ${life}`;
    const floor = timelines[partition]?.before(deliveredAt) ?? 0;
    if (offset < floor) belowCommitted.add(`${text}, when ${floor} was committed`);
    const finished = drained.find(
      ({ at, positions }) =>
        at < deliveredAt && positions.some(([of, position]) => of === partition && offset < position),
    );
    if (finished !== undefined) afterDrain.add(`${text}, which process ${finished.life} had finished`);
    if (offset >= floor && finished === undefined) {
      const cause = causeOf(repetition, lives);
      replayed.set(cause, (replayed.get(cause) ?? 0) + 1);
    }
  }
  return { replayed, waking, belowCommitted, afterDrain };
};
