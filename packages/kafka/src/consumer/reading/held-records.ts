import type { Cancellable, Clock, Logger } from "@millrace/streams";
import { messageOf } from "@millrace/streams/stage";
import { RepeatedErrors } from "../../client/repeated-errors.js";
import { Backoff } from "../../settings/backoff.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";

const BACKOFF = { minMs: 200, maxMs: 10_000 } as const;

/** A shorter wait for something that is fetched once is no trouble. */
const TROUBLE_MS = 5000;

/** A record that waits to be handed to the stream, and all of its partition behind it. */
export interface HeldRecord {
  readonly offset: number;
  /** How often it was tried. */
  readonly tries: number;
  /** Since it was tried first. */
  readonly forMs: number;
  /** What it waits for, in words. */
  readonly why: string;
}

interface Held {
  readonly offset: number;
  readonly since: number;
  readonly backoff: Backoff;
  tries: number;
  error: unknown;
}

/** For ever, where `promise` never settles. */
const settled = async (promise: PromiseLike<unknown> | undefined): Promise<void> => {
  try {
    await promise;
  } catch {
    // Whether it was of use is seen when the record is tried again.
  }
};

/**
 * Partitions whose next record cannot be handed over yet. Each is tried again when what it waits for has settled, later
 * each time; the others go on.
 */
export class HeldRecords {
  readonly #clock: Clock;
  readonly #errors: RepeatedErrors;
  readonly #held = new WeakMap<OwnedPartition, Held>();
  readonly #timers = new Set<Cancellable>();
  #closed = false;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#errors = new RepeatedErrors(logger, "kafka consumer: a record waits to be decoded", () => clock.now());
  }

  /** The record at `offset`, which was given back, is tried again once `until` has settled; without it, after a while. */
  hold(owned: OwnedPartition, offset: number, error: unknown, until: PromiseLike<unknown> | undefined): void {
    const before = this.#held.get(owned);
    const held = before?.offset === offset ? before : this.#first(offset);
    this.#held.set(owned, held);
    held.tries += 1;
    held.error = error;
    if (this.#closed) return;
    if (until !== undefined && held.tries === 1) {
      // It is fetched once. The client reads on, for a pause makes it throw its prefetch away.
      void settled(until).then(() => owned.goOn());
      return;
    }
    this.#errors.warn(error);
    owned.hold();
    void Promise.all([settled(until), this.#elapsed(held.backoff.next())]).then(() => {
      owned.goOn();
      owned.release();
    });
  }

  /** The record that holds `owned` back. */
  of(owned: OwnedPartition): HeldRecord | undefined {
    const held = owned.isPutOff ? this.#held.get(owned) : undefined;
    if (!held) return undefined;
    const { offset, since, tries, error } = held;
    return { offset, tries, forMs: this.#clock.now() - since, why: messageOf(error) };
  }

  /** Those of `partitions` that wait for long. */
  troubles(partitions: Iterable<OwnedPartition>): readonly string[] {
    return [...partitions].flatMap((owned) => {
      const held = this.of(owned);
      if (!held || (held.tries === 1 && held.forMs < TROUBLE_MS)) return [];
      const { offset, tries, forMs, why } = held;
      return [`${owned}@${offset} waits to be decoded for ${Math.round(forMs)} ms, tried ${tries} times: ${why}`];
    });
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }

  #first(offset: number): Held {
    return { offset, since: this.#clock.now(), backoff: new Backoff(BACKOFF), tries: 0, error: undefined };
  }

  #elapsed(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.schedule(ms, () => {
        this.#timers.delete(timer);
        resolve();
      });
      this.#timers.add(timer);
    });
  }
}
