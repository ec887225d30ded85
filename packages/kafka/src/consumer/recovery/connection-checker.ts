import type { Cancellable } from "@millrace/streams";
import { ConnectionFailedError } from "../../errors/connection-failed-error.js";
import type { ParsedChecker } from "../../settings/recovery-settings.js";
import type { SessionContext } from "../rebalancing/session-context.js";

/** The longest a timer of Node waits; a longer one would not wait at all. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** Asks for the cluster again and again, and fails the session when there was no answer too often in a row. */
export class ConnectionChecker {
  readonly #context: SessionContext;
  readonly #settings: ParsedChecker;
  #timer: Cancellable | undefined;
  #failures = 0;
  #closed = false;

  constructor(context: SessionContext, settings: ParsedChecker) {
    this.#context = context;
    this.#settings = settings;
  }

  start(): void {
    this.#later(this.#settings.checkIntervalMs);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #later(delayMs: number): void {
    if (!this.#closed) this.#timer = this.#context.clock.schedule(delayMs, () => void this.#check());
  }

  async #check(): Promise<void> {
    const { client, settings } = this.#context;
    try {
      // A client may throw at once, for example where it is not connected yet.
      await client.metadata(undefined, settings.lookupTimeoutMs);
      this.#failures = 0;
      this.#later(this.#settings.checkIntervalMs);
    } catch (error) {
      this.#onFailure(error);
    }
  }

  #onFailure(error: unknown): void {
    const { life, logger } = this.#context;
    const settings = this.#settings;
    if (this.#closed) return;
    this.#failures += 1;
    if (this.#failures > settings.maxRetries) {
      this.close();
      life.fail(new ConnectionFailedError(this.#failures, error));
      return;
    }
    const delayMs = Math.min(settings.checkIntervalMs * settings.backoffFactor ** this.#failures, MAX_DELAY_MS);
    logger.warn("kafka consumer: no broker answers, asking again", { failures: this.#failures, delayMs, error });
    this.#later(delayMs);
  }
}
