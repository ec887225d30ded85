import { partitionOf } from "../../client/partition-key.js";
import type { ClientExchange } from "./client-exchange.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";
import type { SessionContext } from "../rebalancing/session-context.js";

/** What helps a partition that is stuck. Each is done between two polls, and returns whether it was done. */
export class RecoverySteps {
  readonly #context: SessionContext;
  readonly #exchange: Pick<ClientExchange, "once">;

  constructor(context: SessionContext, exchange: Pick<ClientExchange, "once">) {
    this.#context = context;
    this.#exchange = exchange;
  }

  /** There are steps beyond a seek: the client can assign again. */
  get areAll(): boolean {
    return this.#context.client.canReassign;
  }

  /** To where they are read: what is in flight stays as it is, for the epoch does not change. */
  seek(partitions: readonly OwnedPartition[]): Promise<boolean> {
    const { client, settings, assignment } = this.#context;
    return this.#between(async () => {
      const positions = partitions
        .filter((owned) => assignment.delivers(owned))
        .flatMap((owned) =>
          owned.reading.next === undefined ? [] : { ...partitionOf(owned), offset: owned.reading.next },
        );
      if (positions.length === 0) return false;
      await client.seek(positions, settings.lookupTimeoutMs);
      return true;
    });
  }

  /** Everything that is assigned, for some clients assign no less. */
  reassign(): Promise<boolean> {
    const { client, assignment, reading } = this.#context;
    return this.#between(async () => {
      const partitions = [...assignment.partitions];
      // What is being given up must not be taken again.
      if (partitions.length === 0 || partitions.some(({ retired }) => retired)) return false;
      client.reassign(
        partitions.map((owned) => {
          const offset = owned.reading.from;
          return offset === undefined ? partitionOf(owned) : { ...partitionOf(owned), offset };
        }),
      );
      reading.flow.pauseAgain();
      return true;
    });
  }

  /** Where something is assigned. */
  async renew(): Promise<boolean> {
    return this.#context.assignment.size > 0 && (await this.#exchange.once());
  }

  async #between(work: () => Promise<boolean>): Promise<boolean> {
    let done = false;
    await this.#context.reading.between(async () => {
      done = await work();
    });
    return done;
  }
}
