import type { RenewableClient } from "../../client/renewable-client.js";
import { placeOf } from "../../client/partition-key.js";
import type { Assignment } from "../partitions/assignment.js";
import type { ClientExchange } from "./client-exchange.js";
import type { FlowControl } from "../reading/flow-control.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";
import type { ReadLoop } from "../reading/read-loop.js";

export interface RecoveryStepsOptions {
  readonly client: RenewableClient;
  readonly timeoutMs: number;
  readonly assignment: Assignment;
  readonly flow: FlowControl;
  readonly reading: ReadLoop;
  readonly exchange: Pick<ClientExchange, "once">;
}

/** What helps a partition that is stuck. Each is done between two polls, and answers whether it was done. */
export class RecoverySteps {
  readonly #options: RecoveryStepsOptions;

  constructor(options: RecoveryStepsOptions) {
    this.#options = options;
  }

  /** There are steps beyond a seek: the client can assign again. */
  get areAll(): boolean {
    return this.#options.client.canReassign;
  }

  /** To where they are read: what is in flight stays as it is, for the epoch does not change. */
  seek(partitions: readonly OwnedPartition[]): Promise<boolean> {
    const { client, timeoutMs, assignment } = this.#options;
    return this.#between(async () => {
      const positions = partitions
        .filter((owned) => assignment.delivers(owned))
        .flatMap((owned) =>
          owned.reading.next === undefined ? [] : { ...placeOf(owned), offset: owned.reading.next },
        );
      if (positions.length === 0) return false;
      await client.seek(positions, timeoutMs);
      return true;
    });
  }

  /** Everything that is assigned, for some clients assign no less. */
  reassign(): Promise<boolean> {
    const { client, assignment, flow } = this.#options;
    return this.#between(async () => {
      const partitions = [...assignment.partitions];
      // What is being given up must not be taken again.
      if (partitions.length === 0 || partitions.some(({ retired }) => retired)) return false;
      client.reassign(
        partitions.map((owned) => {
          const offset = owned.reading.from;
          return offset === undefined ? placeOf(owned) : { ...placeOf(owned), offset };
        }),
      );
      flow.pauseAgain();
      return true;
    });
  }

  /** Where something is assigned. */
  async renew(): Promise<boolean> {
    const { assignment, exchange } = this.#options;
    return assignment.size > 0 && (await exchange.once());
  }

  async #between(work: () => Promise<boolean>): Promise<boolean> {
    let done = false;
    await this.#options.reading.between(async () => {
      done = await work();
    });
    return done;
  }
}
