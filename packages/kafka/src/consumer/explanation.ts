import { printable } from "@millrace/streams/stage";
import type { TopicPartition } from "../client/port.js";
import { type HeldRecord, heldInWords, type HeldRecords } from "./reading/held-records.js";
import type { HealthReason } from "./recovery/health.js";
import type { OwnedPartition } from "./partitions/owned-partition.js";
import type { Recovery } from "./recovery/recovery.js";
import type { StuckPartition } from "./recovery/watched-partition.js";

/** The claim that holds back the watermark of a partition. */
export interface BlockingClaim {
  readonly offset: number;
  /** The record's key; `undefined` where it is bytes, and on the explicit surface, where only the offset is known. */
  readonly key: unknown;
  readonly ageMs: number;
  /** The stage that had the record last; `undefined` on the explicit surface. */
  readonly stage: string | undefined;
}

/** One assigned partition as it is now. */
export interface PartitionExplanation extends TopicPartition {
  /**
   * `paused` holds back what the stream cannot take yet; `pausedByUser` is `control.pause`; `notRun`: the partition has
   * a stream of its own, which has not been run yet.
   */
  readonly state: "delivering" | "paused" | "pausedByUser" | "notRun" | "revoking";
  /** Records read and not delivered yet. */
  readonly buffered: number;
  readonly bufferedBytes: number;
  readonly inFlight: number;
  /** Counted where `maxInFlightBytes` is given, else 0. */
  readonly inFlightBytes: number;
  /** Finished records that wait for an older one. */
  readonly behindWatermark: number;
  /** Finished records whose position is not committed yet. */
  readonly uncommitted: number;
  readonly committed: number | undefined;
  /** The record that is to be delivered next and waits for its decoder, or for its dead letter. */
  readonly held: HeldRecord | undefined;
  /** Absent where every delivered record is finished. */
  readonly blockedBy: BlockingClaim | undefined;
  /** What the watchdog knows of it, where nothing of it is fetched though the broker has more. */
  readonly stuck: StuckPartition | undefined;
  /** Offsets whose records the brokers removed before they were read, under this assignment. */
  readonly removed: number;
}

/** What a consumer is waiting for; `toString` puts it in words. */
export interface ConsumerExplanation {
  readonly state: "running" | "stopped" | "closed";
  readonly partitions: readonly PartitionExplanation[];
  /** What keeps it from its work, as in `Control.health`. */
  readonly reasons: readonly HealthReason[];
  toString(): string;
}

/** What else is known of a partition. */
interface PartitionFacts {
  isPausedByUser(owned: OwnedPartition): boolean;
  isPaused(owned: OwnedPartition): boolean;
  /** Its stream has not been run yet. */
  isWaiting(owned: OwnedPartition): boolean;
  readonly recovery: Pick<Recovery, "stuckOf" | "removed">;
  readonly held: Pick<HeldRecords, "of">;
  readonly reasons: readonly HealthReason[];
}

const stateOf = (owned: OwnedPartition, flow: PartitionFacts): PartitionExplanation["state"] => {
  if (owned.retired) return "revoking";
  if (flow.isPausedByUser(owned)) return "pausedByUser";
  if (flow.isWaiting(owned)) return "notRun";
  return flow.isPaused(owned) ? "paused" : "delivering";
};

const blockingClaimOf = (owned: OwnedPartition, now: number): BlockingClaim | undefined => {
  const oldest = owned.ledger.oldest;
  if (!oldest) return undefined;
  const claim = owned.blockingClaim;
  return { offset: oldest.offset, key: claim?.key, ageMs: now - oldest.openedAt, stage: claim?.stage };
};

/** How much of a key is shown: producers choose its length. */
const LONGEST_KEY = 100;

/** Keys are text, or whatever the serde made of them, which may have no JSON form or be nested too deep for one. */
const inText = (key: unknown): string => {
  try {
    return printable(typeof key === "string" ? key : (JSON.stringify(key) ?? typeof key), LONGEST_KEY);
  } catch {
    return typeof key;
  }
};

/** From 1 MB on. */
const megabytes = (bytes: number): string => (bytes < 2 ** 20 ? "" : ` (${(bytes / 2 ** 20).toFixed(1)} MB)`);

const inWords = (each: PartitionExplanation): string => {
  const { blockedBy } = each;
  const counts = `${each.inFlight} in flight${megabytes(each.inFlightBytes)}, ${each.behindWatermark} finished behind them, ${each.uncommitted} to commit, ${each.buffered} buffered${megabytes(each.bufferedBytes)}`;
  const idle = each.state === "notRun" ? "waits for its stream to be run" : "everything delivered is finished";
  const reason = blockedBy
    ? `waits for offset ${blockedBy.offset}${blockedBy.key === undefined ? "" : ` (key ${inText(blockedBy.key)})`}, delivered ${Math.round(blockedBy.ageMs)} ms ago${blockedBy.stage === undefined ? "" : `, last seen in ${blockedBy.stage}`}`
    : idle;
  const { stuck, held } = each;
  const waiting = held ? `; ${heldInWords(held)}` : "";
  const fetching = stuck
    ? `; nothing fetched for ${Math.round(stuck.forMs)} ms though the broker has ${stuck.behind ?? "some"} more, last step: ${stuck.lastStep}`
    : "";
  const removed = each.removed > 0 ? `; the records of ${each.removed} offsets were removed before they were read` : "";
  return `${each.topic}[${each.partition}] ${each.state}: ${reason}; ${counts}; committed ${each.committed ?? "nothing yet"}${waiting}${fetching}${removed}`;
};

/** What a consumer waits for now, partition by partition. */
export const explanation = (
  state: ConsumerExplanation["state"],
  now: number,
  partitions: Iterable<OwnedPartition>,
  facts: PartitionFacts,
): ConsumerExplanation => {
  const explained = [...partitions].map(
    (owned): PartitionExplanation => ({
      topic: owned.topic,
      partition: owned.partition,
      state: stateOf(owned, facts),
      buffered: owned.buffered,
      bufferedBytes: owned.bufferedBytes,
      inFlight: owned.ledger.inFlight,
      inFlightBytes: owned.ledger.openBytes,
      behindWatermark: owned.ledger.behindWatermark,
      uncommitted: owned.ledger.uncommitted,
      committed: owned.committed,
      held: facts.held.of(owned),
      blockedBy: blockingClaimOf(owned, now),
      stuck: facts.recovery.stuckOf(owned),
      removed: facts.recovery.removed.of(owned),
    }),
  );
  const { reasons } = facts;
  // The state already says that it was stopped.
  const shown = reasons.filter(({ code }) => code !== "STOPPED").map(({ code, message }) => `${code}: ${message}`);
  return {
    state,
    reasons,
    partitions: explained,
    toString: () =>
      [`consumer ${state}, ${explained.length} partitions`, ...shown, ...explained.map(inWords)].join("\n"),
  };
};
