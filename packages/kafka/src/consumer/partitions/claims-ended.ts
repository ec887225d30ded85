import type { Clock } from "@millrace/streams";
import type { OwnedPartition } from "./owned-partition.js";

/** Waits for the claims of partitions to end. */
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

  /** A claim has ended, or no more will. */
  check(): void {
    for (const check of this.#checks) check();
  }

  /** Resolves once every claim has ended, the deadline has passed, or `isOver` says that no more will end. */
  untilEnded(revoked: readonly OwnedPartition[], isOver: () => boolean): Promise<void> {
    return this.#withDeadline(this.#timeoutMs, (end) => {
      const check = (): void => {
        if (isOver() || revoked.every((owned) => owned.isIdle)) end();
      };
      this.#checks.add(check);
      return () => void this.#checks.delete(check);
    });
  }

  /** Resolves when `work` has settled, either way, or after `timeoutMs`. */
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
