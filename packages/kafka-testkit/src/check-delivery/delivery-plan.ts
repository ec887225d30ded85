import type { SimulatedFaults } from "../simulated/faults.js";

/** Something that happens to the process which takes that step, other than its death. */
export interface Disturbance {
  readonly atStep: number;
  /**
   * Its group forgets it; it drains and leaves; no broker is reachable for a while; another member of its group comes
   * and goes; or its user pauses and resumes, moves a partition, or replays one from a time. Or one of several effects
   * of each record takes longer from now on; or several of the next ones fail, in any order, while another may take
   * longer; or a partition is no longer fetched; or a member that dies has left a transaction open, which holds
   * positions of the group.
   */
  readonly what:
    | "expire"
    | "leave"
    | "outage"
    | "visit"
    | "pause"
    | "seek"
    | "replay"
    | "slow"
    | "fail"
    | "hang"
    | "hold";
}

/** Bounds of a source, of which each may be the tighter one. */
export interface Bounds {
  /** Open records of a partition. */
  readonly maxInFlight: number;
  /** Upper bound on records redelivered after a crash. */
  readonly maxReplay: { readonly records: number };
}

/** Everything that decides the course of one run: the same plan runs the same way. */
export interface DeliveryPlan {
  readonly seed: number;
  readonly records: number;
  /** Of the input. */
  readonly partitions: number;
  readonly outputPartitions: number;
  readonly processes: 1 | 2;
  readonly assignor: "range" | "cooperative-sticky";
  /** The numbers of the steps at which the process that takes the step dies; 0 is its first moment. */
  readonly kills: readonly number[];
  readonly disturbances: readonly Disturbance[];
  readonly faults: Partial<SimulatedFaults>;
  /** How often `world.effect` rejects. */
  readonly effectErrorRate: number;
  /** For sources that take them. */
  readonly bounds: Bounds;
}

/** How many things a plan does to the pipeline: fewer are easier to understand. */
export const effortOf = (plan: DeliveryPlan): number =>
  plan.kills.length + plan.disturbances.length + Object.keys(plan.faults).length + Math.ceil(plan.effectErrorRate);
