import type { RebalanceHandlers } from "../../settings/reading-settings.js";
import type { TopicPartition } from "../../client/port.js";
import { partitionOf } from "../../client/partition-key.js";
import type { SessionContext } from "./session-context.js";

/** Calls the user's handlers; never rejects. */
export class HandlerCalls {
  readonly #context: SessionContext;

  constructor(context: SessionContext) {
    this.#context = context;
  }

  /** Resolves when the handler has ended, either way, or its time is over. */
  async call(name: keyof RebalanceHandlers, partitions: readonly TopicPartition[]): Promise<void> {
    const { settings, logger, life } = this.#context;
    const handler = settings.handlers[name];
    if (!handler || partitions.length === 0) return;
    try {
      await this.#inTime(name, Promise.resolve(handler(partitions.map(partitionOf))));
    } catch (error) {
      logger.error(`kafka consumer: ${name} failed`, { partitions, error });
      if (name !== "onStop") life.fail(error);
    }
  }

  #inTime(name: string, running: Promise<void>): Promise<void> {
    const { clock, settings, logger } = this.#context;
    const { handlerTimeoutMs: timeoutMs } = settings;
    return new Promise((resolve, reject) => {
      const timer = clock.schedule(timeoutMs, () => {
        logger.warn(`kafka consumer: ${name} has not ended within ${timeoutMs} ms, and is no longer waited for`);
        resolve();
      });
      running.then(resolve, reject).finally(() => timer.cancel());
    });
  }
}
