import type { TopicPartition } from "../client/port.js";

/**
 * The outcome of committing a position.
 *
 * - `committed`: the broker has acknowledged it. Its records are not read again.
 * - `superseded`: the broker has acknowledged the offset of a later record of the partition instead, earlier or by the
 *   same commit. That covers this one too, so its records are not read again. By hand, an offset committed after a
 *   higher one gets this outcome too: the higher one had said that this record was done.
 * - `notOwned`: the partition was revoked or lost, it was moved by a seek, or its consumer closed because the stream
 *   had failed, before the broker acknowledged it. This commit has changed nothing: the next reader of the partition
 *   begins at its last committed position, and reads again what is above.
 */
export type CommitOutcome = "committed" | "superseded" | "notOwned";

/** The outcome for the position of one partition. */
export interface CommitResult extends TopicPartition {
  readonly groupId: string;
  /** What was asked for: the next offset to read. */
  readonly position: number;
  readonly outcome: CommitOutcome;
  /**
   * The last position that the broker acknowledged for the assignment the offset came from: `position` or above it, unless
   * the outcome is `notOwned`. `undefined` where none was, or where it is not known any more.
   */
  readonly committed: number | undefined;
}
