import type { Cancellable, Clock, Logger } from "@millrace/streams";
import type { ConsumerClient } from "../../client/port.js";
import { ConnectionFailedError } from "../../errors/connection-failed-error.js";
import type { ParsedChecker } from "../../settings/recovery-settings.js";

/** The longest a timer of Node waits; a longer one would not wait at all. */
const MAX_DELAY_MS = 2 ** 31 - 1;

export interface ConnectionCheckerOptions {
  readonly settings: ParsedChecker;
  readonly client: Pick<ConsumerClient, "metadata">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long one answer may take. */
  readonly timeoutMs: number;
  readonly onFailed: (error: ConnectionFailedError) => void;
}

/** Asks for the cluster again and again, and tells when there was no answer too often in a row, whatever the failures. */
export class ConnectionChecker {
  readonly #options: ConnectionCheckerOptions;
  #timer: Cancellable | undefined;
  #failures = 0;
  #closed = false;

  constructor(options: ConnectionCheckerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#later(this.#options.settings.checkIntervalMs);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #later(delayMs: number): void {
    if (!this.#closed) this.#timer = this.#options.clock.schedule(delayMs, () => void this.#check());
  }

  async #check(): Promise<void> {
    const { client, settings, timeoutMs } = this.#options;
    try {
      // A client may throw at once, for example where it is not connected yet.
      await client.metadata(undefined, timeoutMs);
      this.#failures = 0;
      this.#later(settings.checkIntervalMs);
    } catch (error) {
      this.#onFailure(error);
    }
  }

  #onFailure(error: unknown): void {
    const { settings, logger, onFailed } = this.#options;
    if (this.#closed) return;
    this.#failures += 1;
    if (this.#failures > settings.maxRetries) {
      this.close();
      onFailed(new ConnectionFailedError(this.#failures, error));
      return;
    }
    const delayMs = Math.min(settings.checkIntervalMs * settings.backoffFactor ** this.#failures, MAX_DELAY_MS);
    logger.warn("kafka consumer: no broker answers, asking again", { failures: this.#failures, delayMs, error });
    this.#later(delayMs);
  }
}
