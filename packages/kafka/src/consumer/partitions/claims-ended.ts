import type { Clock } from "@millrace/streams";
import type { OwnedPartition } from "./owned-partition.js";

/** ClaimsEnded that wait for the claims of their partitions. */
export class ClaimsEnded {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #checks = new Set<() => void>();

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  get waiting(): boolean {
    return this.#checks.size > 0;
  }

  /** A claim has ended, or nobody is left to end any. */
  check(): void {
    for (const check of this.#checks) check();
  }

  /** Resolves once every claim has ended, or the deadline has passed, or `isOver` says that nobody is left to end them. */
  untilEnded(revoked: readonly OwnedPartition[], isOver: () => boolean): Promise<void> {
    return this.#withDeadline(this.#timeoutMs, (end) => {
      const check = (): void => {
        if (isOver() || revoked.every((owned) => owned.isIdle)) end();
      };
      this.#checks.add(check);
      return () => void this.#checks.delete(check);
    });
  }

  /** Resolves when `work` has settled, however, or after so many milliseconds. */
  within(timeoutMs: number, work: Promise<unknown>): Promise<void> {
    return this.#withDeadline(timeoutMs, (end) => {
      work.then(end, end);
      return () => undefined;
    });
  }

  #withDeadline(timeoutMs: number, begin: (end: () => void) => () => void): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel();
        leave();
        resolve();
      };
      const timer = this.#clock.schedule(timeoutMs, end);
      const leave = begin(end);
    });
  }
}
