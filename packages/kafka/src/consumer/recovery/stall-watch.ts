import type { Cancellable, Clock, Logger } from "@millrace/streams";

/** How long a bound may hold everything back, with nothing ending meanwhile, before that is logged. */
const STALL_MS = 10_000;

/**
 * Logs when a bound holds the stream back and nothing ends: a handler is stuck, or the stream gathers more records, or
 * filters out more of them on the explicit surface, than the bound lets in, and waits for ever.
 */
export class StallWatch {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #explain: () => string;
  #timer: Cancellable | undefined;

  constructor(clock: Clock, logger: Logger, explain: () => string) {
    this.#clock = clock;
    this.#logger = logger;
    this.#explain = explain;
  }

  held(): void {
    this.#timer ??= this.#clock.schedule(STALL_MS, () => {
      this.#timer = undefined;
      this.#logger.warn(
        `kafka consumer: a bound holds records back, and no record has finished for ${STALL_MS} ms. If no handler is slow, raise maxInFlight, maxInFlightBytes or maxReplay above what the stream gathers or filters out in a row`,
        { explanation: this.#explain() },
      );
      this.held();
    });
  }

  released(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
