import { StreamError, type StreamErrorCode } from "@millrace/streams";
import { Backoff } from "../backoff.js";
import { KafkaConnectorError, type KafkaErrorCode } from "../errors.js";
import type { ParsedRestarts } from "./restart-settings.js";

/** Mistakes of a program, which are the same the next time. */
const MISTAKES: readonly (KafkaErrorCode | StreamErrorCode)[] = [
  "INVALID_SETTINGS",
  "GROUP_ID_MISSING",
  "AUTO_COMMIT_REFUSED",
  "UNSAFE_GRAPH",
  "SOURCE_REUSED",
  "INVALID_ARGUMENT",
  "NOT_A_SOURCE",
  "INVARIANT_VIOLATION",
  "DELIVERY_VIOLATED",
];

const isMistake = (error: unknown): boolean =>
  (error instanceof KafkaConnectorError || error instanceof StreamError) && MISTAKES.includes(error.code);

/** Whether there is another incarnation, and when. */
export class RestartPolicy {
  readonly #settings: ParsedRestarts;
  readonly #backoff: Backoff;
  #inARow = 0;

  constructor(settings: ParsedRestarts) {
    const { minBackoffMs: minMs, maxBackoffMs: maxMs, randomFactor, random } = settings;
    this.#settings = settings;
    this.#backoff = new Backoff({ minMs, maxMs, randomFactor, random });
  }

  /** How long to wait before the next one, in ms. Throws where there is to be none. */
  delayAfter(failure: unknown, livedMs: number): number {
    const { maxRestarts, healthyMs, restartOn } = this.#settings;
    if (isMistake(failure) || restartOn?.(failure) === false) throw failure;
    if (livedMs >= healthyMs) {
      this.#inARow = 0;
      this.#backoff.reset();
    }
    if (this.#inARow >= maxRestarts) throw this.#exhausted(failure);
    this.#inARow += 1;
    return this.#backoff.next();
  }

  #exhausted(cause: unknown): KafkaConnectorError {
    const why = cause instanceof Error ? cause.message : String(cause);
    return new KafkaConnectorError(
      "RESTARTS_EXHAUSTED",
      `The graph failed again after ${this.#inARow} restarts, none of which ran for ${this.#settings.healthyMs} ms: ${why}. Mend the cause, or raise maxRestarts.`,
      { cause },
    );
  }
}
