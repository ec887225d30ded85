import type { Logger } from "@millrace/streams";

const PER_MINUTE = 10;
const MINUTE_MS = 60_000;

/** Warnings of single records: ten a minute, and with the next one how many there were beside them. */
export class LimitedLog {
  readonly #logger: Logger;
  readonly #now: () => number;
  #since = Number.NEGATIVE_INFINITY;
  #count = 0;

  constructor(logger: Logger, now: () => number) {
    this.#logger = logger;
    this.#now = now;
  }

  warn(message: string, fields: Readonly<Record<string, unknown>>): void {
    const now = this.#now();
    let before = 0;
    if (now - this.#since >= MINUTE_MS) {
      before = Math.max(0, this.#count - PER_MINUTE);
      this.#since = now;
      this.#count = 0;
    }
    this.#count += 1;
    if (this.#count > PER_MINUTE) return;
    const more = this.#count === PER_MINUTE ? " (more of them are not logged for a minute)" : "";
    this.#logger.warn(`${message}${more}`, { ...fields, ...(before > 0 && { notLogged: before }) });
  }
}
