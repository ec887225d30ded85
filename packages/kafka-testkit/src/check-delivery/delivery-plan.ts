import type { SimulatedFaults } from "../simulated/faults.js";

/** Something that happens to the process which takes that step, other than its death. */
export interface Disturbance {
  readonly atStep: number;
  /**
   * Its group forgets it; it drains and leaves; no broker is reachable for a while; another member of its group comes and
   * goes; or its user pauses and resumes, moves a partition, or replays one from a time.
   */
  readonly what: "expire" | "leave" | "outage" | "visit" | "pause" | "seek" | "replay";
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
}

/** How many things a plan does to the pipeline: fewer are easier to understand. */
export const effortOf = (plan: DeliveryPlan): number =>
  plan.kills.length + plan.disturbances.length + Object.keys(plan.faults).length + Math.ceil(plan.effectErrorRate);
