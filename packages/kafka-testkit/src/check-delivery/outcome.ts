import type { RunnableGraph } from "@millrace/streams";
import type { CommitViolation } from "./commit-watch.js";
import type { DeliveryFault } from "./delivery-check-error.js";
import type { DeliveryPlan } from "./delivery-plan.js";

/** What is wrong with a run. */
export interface Failure {
  readonly code: DeliveryFault;
  readonly text: string;
  /** The commit that passed a record too early, where there was one. */
  readonly violation: CommitViolation | undefined;
  readonly cause: unknown;
}

/** What a run has shown. */
export interface Outcome {
  readonly plan: DeliveryPlan;
  /** The graph of the last process; absent where none was built. */
  readonly graph: RunnableGraph<unknown> | undefined;
  readonly failure: Failure | undefined;
  readonly history: readonly string[];
  readonly steps: number;
  readonly kills: number;
  /** Effects that happened again. */
  readonly duplicates: number;
  /** The most records that one kill repeated. */
  readonly maxReplay: number;
}
