import type { Logger } from "@millrace/streams";
import { messageOf } from "@millrace/streams/stage";

/** Pause before the same is logged again; doubled each time, up to the longest. */
const FIRST_MS = 10_000;
const LONGEST_MS = 600_000;
/** Texts that are distinguished. */
const MOST = 100;

interface Logged {
  /** Repetitions that were not logged since. */
  count: number;
  waitMs: number;
  until: number;
}

/**
 * Logs the errors that a client reports and outlives: one at once, and the same again at growing intervals, with how
 * often it came. While no broker can be reached a client reports it many times a second.
 */
export class RepeatedErrors {
  readonly #logger: Logger;
  readonly #message: string;
  readonly #now: () => number;
  readonly #logged = new Map<string, Logged>();

  constructor(logger: Logger, message: string, now: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#message = message;
    this.#now = now;
  }

  warn(error: unknown): void {
    const now = this.#now();
    const text = messageOf(error);
    const last = this.#logged.get(text);
    if (last && now < last.until) {
      last.count += 1;
      return;
    }
    // After a quiet time it is news again.
    const goesOn = last !== undefined && now < last.until + last.waitMs;
    const waitMs = goesOn ? Math.min(2 * last.waitMs, LONGEST_MS) : FIRST_MS;
    if (this.#logged.size >= MOST) this.#logged.clear();
    this.#logged.set(text, { count: 0, waitMs, until: now + waitMs });
    const repeated = last && last.count > 0 ? { repeated: last.count } : {};
    this.#logger.warn(this.#message, { ...repeated, error });
  }
}
