import type { ConsumerListener, StartPosition, TopicPartition } from "@millrace/kafka";
import type { Simulation } from "../simulation.js";
import { keyOf, namesOf } from "../broker/topics.js";

export interface OwnerOptions {
  readonly simulation: Simulation;
  readonly clientId: string;
  readonly listener: ConsumerListener;
  /** Reads the partitions from now on. */
  readonly take: (
    partitions: readonly (TopicPartition & { readonly offset: StartPosition["offset"] | undefined })[],
  ) => void;
  readonly giveUp: (partitions: readonly TopicPartition[]) => void;
  /** Resolves once the broker has answered every commit that was sent. */
  readonly committed: () => Promise<void>;
}

/** What a member believes it owns; it changes only once the listener's handlers have ended. */
export class OwnedPartitions {
  readonly #options: OwnerOptions;
  #partitions: readonly TopicPartition[] = [];
  #dead = false;
  #revoking = false;

  constructor(options: OwnerOptions) {
    this.#options = options;
  }

  get all(): readonly TopicPartition[] {
    return this.#partitions;
  }

  /** Nothing is taken any more. */
  kill(): void {
    this.#dead = true;
  }

  async assign(partitions: readonly TopicPartition[]): Promise<void> {
    await this.#handled("onAssign", partitions);
    if (this.#dead) return;
    this.#partitions = [...this.#partitions, ...partitions];
    const { listener } = this.#options;
    this.#options.take(partitions.map((each) => ({ ...each, offset: listener.startOf?.(each) })));
  }

  /** Partitions are being given up, and are still owned. */
  get revoking(): boolean {
    return this.#revoking;
  }

  async revoke(partitions: readonly TopicPartition[]): Promise<void> {
    this.#revoking = true;
    await this.#handled("onRevoke", partitions);
    await this.#giveUp(partitions);
    this.#revoking = false;
  }

  /** All of them belong to others already. */
  async lose(): Promise<void> {
    const partitions = this.#partitions;
    await this.#handled(this.#options.listener.onLost ? "onLost" : "onRevoke", partitions);
    await this.#giveUp(partitions);
  }

  /** A commit is answered before the partitions are free, even if no handler waits for it. */
  async #giveUp(partitions: readonly TopicPartition[]): Promise<void> {
    await this.#options.committed();
    const gone = new Set(partitions.map(keyOf));
    this.#partitions = this.#partitions.filter((each) => !gone.has(keyOf(each)));
    this.#options.giveUp(partitions);
  }

  /** Calls the listener; what it throws changes nothing, as with the real client. */
  async #handled(handler: "onAssign" | "onRevoke" | "onLost", partitions: readonly TopicPartition[]): Promise<void> {
    const { simulation, listener, clientId } = this.#options;
    simulation.event(`${clientId}: ${handler} ${namesOf(partitions)}`);
    try {
      await listener[handler]?.(partitions.map(({ topic, partition }) => ({ topic, partition })));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      listener.onError(simulation.error("REBALANCE_FAILED", `The rebalance listener's ${handler} threw: ${reason}`));
    }
  }
}
