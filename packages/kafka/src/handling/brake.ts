import type { Cancellable, Clock } from "@millrace/streams";
import { Backoff } from "../settings/backoff.js";

/** Failures of fewer keys say more about these than about what all of them need. */
const KEYS = 3;

const PROBE = { minMs: 1000, maxMs: 30_000 } as const;

export interface BrakeListener<T> {
  /** Whether it may be tried now; one that may not is dropped from the line. */
  mayTry(waiting: T): boolean;
  /** It is tried alone: what becomes of it is reported by `succeeded` or `failed`. */
  probe(waiting: T): void;
  /** It is free again. */
  release(waiting: T): void;
  /** Called when it goes on, and when it goes off. */
  onChange(on: boolean): void;
}

/**
 * Many attempts in a row have failed, of several keys, and another might help: something that all of them need is down. Until one
 * succeeds, everything waits in a line, from which one at a time is tried, later each time, and no attempt is counted.
 *
 *     off ── so many failures in a row, of three keys ──► on ── a success ──► off
 */
export class Brake<T> {
  readonly #most: number;
  readonly #clock: Clock;
  readonly #listener: BrakeListener<T>;
  readonly #keys = new Set<unknown>();
  readonly #backoff = new Backoff(PROBE);
  #line: T[] = [];
  #failures = 0;
  #isOn = false;
  #timer: Cancellable | undefined;
  #isProbing = false;
  #closed = false;

  /** `most` failures in a row; `undefined`: it is never on. */
  constructor(most: number | undefined, clock: Clock, listener: BrakeListener<T>) {
    this.#most = most ?? Number.POSITIVE_INFINITY;
    this.#clock = clock;
    this.#listener = listener;
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** An attempt has succeeded, or has failed in a way that another attempt does not change: what it needs is there. */
  succeeded(): void {
    if (this.#failures === 0) return;
    this.#failures = 0;
    this.#keys.clear();
    this.#isProbing = false;
    if (!this.#isOn) return;
    this.#isOn = false;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#backoff.reset();
    this.#listener.onChange(false);
    for (const waiting of this.#line.splice(0)) this.#listener.release(waiting);
  }

  /** An attempt at a record with this key has failed, and another may help. */
  failed(key: unknown): void {
    this.#failures += 1;
    if (this.#keys.size < KEYS) this.#keys.add(key);
    if (this.#isOn || this.#failures < this.#most || this.#keys.size < KEYS) return;
    this.#isOn = true;
    this.#listener.onChange(true);
  }

  /** It waits until it is tried alone, or all are free again. `wasProbe`: it was tried alone, and failed. */
  wait(waiting: T, wasProbe: boolean): void {
    this.#line.push(waiting);
    if (wasProbe) this.probed();
    else this.#schedule();
  }

  /** What was tried alone has ended, and says nothing. */
  probed(): void {
    this.#isProbing = false;
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    this.#line = [];
    this.#timer?.cancel();
  }

  #schedule(): void {
    if (this.#closed || this.#timer || this.#isProbing) return;
    this.#timer = this.#clock.schedule(this.#backoff.next(), () => {
      this.#timer = undefined;
      this.#probe();
    });
  }

  #probe(): void {
    for (let next = this.#line.shift(); next !== undefined; next = this.#line.shift()) {
      if (!this.#listener.mayTry(next)) continue;
      this.#isProbing = true;
      this.#listener.probe(next);
      return;
    }
    // Nothing waits any more: what comes next is tried at once.
    this.succeeded();
  }
}
