import type { Clock, Logger } from "@millrace/streams";
import type { TopicPartition } from "../client/port.js";
import { placeOf } from "../client/partition-key.js";

type Handler = (partitions: readonly TopicPartition[]) => void | Promise<void>;

/** What the user wants to be told of rebalances. Handlers are awaited, up to `handlerTimeoutMs`. */
export interface RebalanceHandlers {
  /** Before any record of these partitions is read. A failure fails the stream. */
  readonly onAssign?: Handler;
  /**
   * Their records are finished and their positions committed, as far as `revokeTimeoutMs` allows; the partitions go to
   * others once the handler has ended. A failure fails the stream.
   */
  readonly onRevoke?: Handler;
  /** Others own these partitions already: what was in flight is read again there. A failure fails the stream. */
  readonly onLost?: Handler;
  /** The source shuts down; the client is closed after it, which revokes the partitions. A failure is logged. */
  readonly onStop?: Handler;
}

export interface HandlerOptions {
  readonly handlers: { readonly [Name in keyof RebalanceHandlers]?: Handler | undefined };
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onFailure: (error: unknown) => void;
}

/** Calls the user's handlers; never rejects. */
export class HandlerCalls {
  readonly #options: HandlerOptions;

  constructor(options: HandlerOptions) {
    this.#options = options;
  }

  /** Resolves when the handler has ended, well or not, or its time is over. */
  async call(name: keyof RebalanceHandlers, partitions: readonly TopicPartition[]): Promise<void> {
    const { handlers, logger, onFailure } = this.#options;
    const handler = handlers[name];
    if (!handler || partitions.length === 0) return;
    try {
      await this.#inTime(name, Promise.resolve(handler(partitions.map(placeOf))));
    } catch (error) {
      logger.error(`kafka consumer: ${name} failed`, { partitions, error });
      if (name !== "onStop") onFailure(error);
    }
  }

  #inTime(name: string, running: Promise<void>): Promise<void> {
    const { clock, timeoutMs, logger } = this.#options;
    return new Promise((resolve, reject) => {
      const timer = clock.schedule(timeoutMs, () => {
        logger.warn(`kafka consumer: ${name} has not ended within ${timeoutMs} ms, and is no longer waited for`);
        resolve();
      });
      running.then(resolve, reject).finally(() => timer.cancel());
    });
  }
}
