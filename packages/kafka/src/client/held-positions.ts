import type { Clock, Logger } from "@millrace/streams";
import { KafkaConnectorError } from "../errors.js";
import type { ConsumerClient, TopicPartition, TopicPartitionOffset } from "./port.js";
import { CODE } from "./rdkafka/error-codes.js";

/** The broker's own answer, where a client hands it on instead of asking again until it is out of time. */
const UNSTABLE_OFFSET_COMMIT = 88;

/** Before it is asked again: a client that answers at once would be asked without end. */
const AGAIN_MS = 100;

export interface HeldPositionsOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a position may be held by an open transaction. */
  readonly heldForMs: number;
  readonly isOver: () => boolean;
}

const isHeld = (error: unknown): boolean =>
  error instanceof KafkaConnectorError &&
  (error.clientCode === UNSTABLE_OFFSET_COMMIT || error.clientCode === CODE.timedOut);

/**
 * Reads committed positions while an open transaction may hold them: of a producer that died, until the broker aborts it at
 * its `transaction.timeout.ms`. A client asks again by itself and then only says that it was out of time.
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
    client: () => Pick<ConsumerClient, "committed">,
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
          if (!isHeld(error) || isOver() || waitedMs >= heldForMs) throw error;
          if (this.#waiting.size === 0) {
            logger.warn(
              "kafka consumer: committed positions could not be read yet: brokers do not answer, or an open transaction of a member that is gone holds them until its transaction.timeout.ms; they are asked again",
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
