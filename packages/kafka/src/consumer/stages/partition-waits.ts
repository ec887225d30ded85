import type { Cancellable, Clock, Logger } from "@millrace/streams";
import type { OwnedPartition } from "../partitions/owned-partition.js";

/** How long a partition may wait for its stream to be run before that is logged. */
const WAIT_MS = 10_000;

/** Partitions whose streams were emitted and not run yet: nothing of them is delivered. */
export class PartitionWaits {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #timers = new Map<OwnedPartition, Cancellable>();

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  begin(owned: OwnedPartition): void {
    const { topic, partition } = owned;
    const warn = (): void =>
      this.#logger.warn(
        `kafka consumer: the stream of ${topic}[${partition}] has not been run for ${WAIT_MS} ms, and nothing of the partition is delivered until it is. Run as many streams at a time as there may be partitions (mapAsyncUnordered), or give the source the graph of a partition as second argument`,
        { topic, partition },
      );
    this.#timers.set(owned, this.#clock.schedule(WAIT_MS, warn));
  }

  has(owned: OwnedPartition): boolean {
    return this.#timers.has(owned);
  }

  end(owned: OwnedPartition): void {
    this.#timers.get(owned)?.cancel();
    this.#timers.delete(owned);
  }

  close(): void {
    for (const owned of this.#timers.keys()) this.end(owned);
  }
}
