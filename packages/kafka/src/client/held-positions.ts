import type { Clock, Logger } from "@millrace/streams";
import { failedBy } from "../errors/errors.js";
import type { ConsumerClient, TopicPartition, TopicPartitionOffset } from "./port.js";

/** Pause before asking again: a client that answers at once would be asked in a busy loop. */
const AGAIN_MS = 100;

export interface HeldPositionsOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a position may be held by an open transaction. */
  readonly heldForMs: number;
  readonly isOver: () => boolean;
}

type Lookup = Pick<ConsumerClient, "committed" | "metadata">;

/**
 * A client retries by itself and then only reports a time-out, as where no broker answers: then no broker answers
 * another request either.
 */
const isHeld = async (
  error: unknown,
  client: Lookup,
  topic: string | undefined,
  timeoutMs: number,
): Promise<boolean> => {
  // Some clients hand on the broker's own answer, instead of asking again until they are out of time.
  if (!failedBy(error, "timedOut")) return failedBy(error, "positionHeld");
  return client.metadata(topic, timeoutMs).then(
    () => true,
    () => false,
  );
};

/**
 * Reads committed positions while an open transaction may hold them: of a producer that died, until the broker aborts it at
 * its `transaction.timeout.ms`.
 */
export class HeldPositions {
  readonly #options: HeldPositionsOptions;
  readonly #waiting = new Map<object, number>();

  constructor(options: HeldPositionsOptions) {
    this.#options = options;
  }

  /** For how long the longest of those under way has waited beyond its first attempt. */
  waitingFor(now: number): number | undefined {
    const since = Math.min(...this.#waiting.values());
    return since === Number.POSITIVE_INFINITY ? undefined : now - since;
  }

  async committed(
    client: () => Lookup,
    partitions: readonly TopicPartition[],
    timeoutMs: number,
  ): Promise<readonly TopicPartitionOffset[]> {
    const { clock, logger, heldForMs, isOver } = this.#options;
    const began = clock.now();
    const call = {};
    try {
      for (;;) {
        try {
          return await client().committed(partitions, timeoutMs);
        } catch (error) {
          const waitedMs = clock.now() - began;
          if (isOver() || waitedMs >= heldForMs) throw error;
          const held = await isHeld(error, client(), partitions[0]?.topic, timeoutMs);
          if (!held || isOver()) throw error;
          if (this.#waiting.size === 0) {
            logger.warn(
              "kafka consumer: committed positions cannot be read, although brokers answer: an open transaction of a member that is gone may hold them until its transaction.timeout.ms; they are asked for again",
              { partitions, waitedMs, heldForMs, error },
            );
          }
          this.#waiting.set(call, began);
        }
        await new Promise<void>((resolve) => clock.schedule(AGAIN_MS, resolve));
      }
    } finally {
      this.#waiting.delete(call);
    }
  }
}
