import type { Logger } from "@millrace/streams";
import { messageOf } from "@millrace/streams/stage";

/** When the same is told again at the earliest; twice as late each time, up to the longest. */
const FIRST_MS = 10_000;
const LONGEST_MS = 600_000;
/** Texts that are told apart. */
const MOST = 100;

interface Told {
  /** Of those that were not told since. */
  count: number;
  waitMs: number;
  until: number;
}

/**
 * Logs the errors that a client reports and outlives: one at once, and the same again at growing intervals, with how often it
 * came. While no broker can be reached a client reports so many times a second.
 */
export class RepeatedErrors {
  readonly #logger: Logger;
  readonly #message: string;
  readonly #now: () => number;
  readonly #told = new Map<string, Told>();

  constructor(logger: Logger, message: string, now: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#message = message;
    this.#now = now;
  }

  warn(error: unknown): void {
    const now = this.#now();
    const text = messageOf(error);
    const told = this.#told.get(text);
    if (told && now < told.until) {
      told.count += 1;
      return;
    }
    // After a quiet time it is news again.
    const goesOn = told !== undefined && now < told.until + told.waitMs;
    const waitMs = goesOn ? Math.min(2 * told.waitMs, LONGEST_MS) : FIRST_MS;
    if (this.#told.size >= MOST) this.#told.clear();
    this.#told.set(text, { count: 0, waitMs, until: now + waitMs });
    const repeated = told && told.count > 0 ? { repeated: told.count } : {};
    this.#logger.warn(this.#message, { ...repeated, error });
  }
}
