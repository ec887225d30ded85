import type { CommitOutcome, CommitResult } from "../../offsets/commit-result.js";
import type { PositionToCommit } from "../../offsets/committable-offset.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";

const outcomeOf = (position: number, covered: number | undefined): CommitOutcome => {
  if (covered === undefined || covered < position) return "notOwned";
  return covered === position ? "committed" : "superseded";
};

/** The result for a position whose commit is answered; `owned` is `undefined` where the assignment was gone. */
export const commitResult = (
  groupId: string,
  { topic, partition, position }: PositionToCommit,
  owned?: OwnedPartition,
): CommitResult => ({
  groupId,
  topic,
  partition,
  position,
  outcome: outcomeOf(position, owned?.commit.covered),
  committed: owned?.committed,
});
