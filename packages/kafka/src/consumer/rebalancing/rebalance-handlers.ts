import type { Clock, Logger } from "@millrace/streams";
import type { GivenHandlers, RebalanceHandlers } from "../../settings/reading-settings.js";
import type { SessionLife } from "../partitions/session-life.js";
import type { TopicPartition } from "../../client/port.js";
import { placeOf } from "../../client/partition-key.js";

export interface HandlerOptions {
  readonly handlers: GivenHandlers;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly life: Pick<SessionLife, "fail">;
}

/** Calls the user's handlers; never rejects. */
export class HandlerCalls {
  readonly #options: HandlerOptions;

  constructor(options: HandlerOptions) {
    this.#options = options;
  }

  /** Resolves when the handler has ended, well or not, or its time is over. */
  async call(name: keyof RebalanceHandlers, partitions: readonly TopicPartition[]): Promise<void> {
    const { handlers, logger, life } = this.#options;
    const handler = handlers[name];
    if (!handler || partitions.length === 0) return;
    try {
      await this.#inTime(name, Promise.resolve(handler(partitions.map(placeOf))));
    } catch (error) {
      logger.error(`kafka consumer: ${name} failed`, { partitions, error });
      if (name !== "onStop") life.fail(error);
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
