import type { OwnedPartition } from "../partitions/owned-partition.js";

/** What was done about a partition that is stuck, from the mildest to the last. */
export type Step = "probe" | "seek" | "reassign" | "renew";

/** A partition that is not fetched, though the broker has more. */
export interface StuckPartition {
  /** For how long nothing has been fetched. */
  readonly forMs: number;
  /** From where it is read to the broker's end, as last probed; `undefined` where it was never read. */
  readonly behind: number | undefined;
  /** What was tried last. */
  readonly lastStep: Step;
}

/** A partition that the stream wants more of. */
export interface WatchedPartition {
  readonly owned: OwnedPartition;
  /** The next offset to read when the watch began: if it differs now, the partition has moved. */
  readonly nextToRead: number | undefined;
  readonly since: number;
  /** How often every step was taken, and changed nothing: there is more time before the next ones. */
  readonly rounds: number;
  /** Looks that pass before the next step. */
  rest: number;
  /** The broker's end at the last probe, where it has more than was read. */
  end: number | undefined;
  lastStep: Step | undefined;
  /** It was read from its position once more, because what there is may be hidden records only. */
  lookedAgain: boolean;
}

/** At most every 16th look takes a step. */
const MAX_ROUNDS = 4;

export const watched = (owned: OwnedPartition, now: number, rounds = 0): WatchedPartition => ({
  owned,
  nextToRead: owned.reading.next,
  since: now,
  rounds: Math.min(rounds, MAX_ROUNDS),
  rest: 2 ** Math.min(rounds, MAX_ROUNDS) - 1,
  end: undefined,
  lastStep: undefined,
  lookedAgain: false,
});
