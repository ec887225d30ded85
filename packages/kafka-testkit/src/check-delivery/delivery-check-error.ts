import type { DeliveryPlan } from "./delivery-plan.js";

/**
 * - `LOST`: an expected effect never happened, though the group's position has passed its record.
 * - `UNSAFE_COMMIT`: a position was committed above a record whose effects had not all happened; a crash right then loses it.
 * - `DUPLICATED`: with exactly-once, an effect is committed more than once.
 * - `COMMIT_WENT_BACK`: a committed position is lower than an earlier one.
 * - `REPLAY_EXCEEDED`: a kill repeated more records than `maxReplay`.
 * - `ENDED_EARLY`: a drain resolved while an effect was still under way, or reports a position that is not stored.
 * - `STUCK`: the pipeline runs, and yet not all effects happen, or a drain leaves records unfinished.
 * - `ALWAYS_FAILS`: the stream failed again and again; `cause` is its last error.
 */
export type DeliveryFault =
  | "LOST"
  | "UNSAFE_COMMIT"
  | "DUPLICATED"
  | "COMMIT_WENT_BACK"
  | "REPLAY_EXCEEDED"
  | "ENDED_EARLY"
  | "STUCK"
  | "ALWAYS_FAILS";

/** A pipeline broke its delivery guarantee; the message shows the shortest failing history found. */
export class DeliveryCheckError extends Error {
  override readonly name = "DeliveryCheckError";
  readonly code: DeliveryFault;
  /** Give it to `checkDelivery` as `replay` to see the same history again. */
  readonly plan: DeliveryPlan;
  /** What happened, a line each. */
  readonly history: readonly string[];

  constructor(code: DeliveryFault, message: string, plan: DeliveryPlan, history: readonly string[], cause: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.plan = plan;
    this.history = history;
  }
}
