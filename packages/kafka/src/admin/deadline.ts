import { KafkaConnectorError } from "../errors/errors.js";
import { TIMED_OUT } from "../client/codes.js";

/** One bound for all the requests of a call. */
export class Deadline {
  readonly #what: string;
  readonly #timeoutMs: number;
  readonly #end: number;

  constructor(what: string, timeoutMs: number) {
    this.#what = what;
    this.#timeoutMs = timeoutMs;
    this.#end = performance.now() + timeoutMs;
  }

  /** Milliseconds, at least 1; throws where none are left. */
  left(): number {
    const left = Math.ceil(this.#end - performance.now());
    if (left > 0) return left;
    throw new KafkaConnectorError(
      "CLIENT_FAILED",
      `Could not ${this.#what} within ${this.#timeoutMs} ms. Check that the brokers are up, ask for less at once, or raise timeoutMs.`,
      TIMED_OUT,
    );
  }
}
