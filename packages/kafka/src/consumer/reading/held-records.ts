import type { Cancellable, Clock, Logger } from "@millrace/streams";
import { messageOf } from "@millrace/streams/stage";
import { RepeatedErrors } from "../../client/repeated-errors.js";
import type { DecoderUnavailableError } from "../../errors/decoder-unavailable-error.js";
import { Backoff } from "../../settings/backoff.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";

const BACKOFF = { minMs: 200, maxMs: 10_000 } as const;

/** A shorter wait for something that is done once is no trouble. */
const TROUBLE_MS = 5000;

/** For what a record may wait. */
const WAITS = {
  DECODER_UNAVAILABLE: "its decoder",
  DEAD_LETTER_FAILED: "its dead letter to be written",
} as const;

type Wait = keyof typeof WAITS;

/** A record that waits to be handed to the stream, and all of its partition behind it. */
export interface HeldRecord {
  readonly offset: number;
  /** How often it was tried. */
  readonly tries: number;
  /** Since it was tried first. */
  readonly forMs: number;
  readonly waitsFor: (typeof WAITS)[Wait];
  /** What the last try failed with. */
  readonly why: string | undefined;
}

export const heldInWords = ({ offset, tries, forMs, waitsFor, why }: HeldRecord): string =>
  `offset ${offset} has waited ${Math.round(forMs)} ms for ${waitsFor}, tried ${tries} ${tries === 1 ? "time" : "times"}${why === undefined ? "" : `: ${why}`}`;

/** Trouble with a record that waits for long. */
export interface HeldTrouble {
  readonly code: Wait;
  readonly message: string;
}

interface Held {
  readonly offset: number;
  readonly since: number;
  readonly backoff: Backoff;
  wait: Wait;
  tries: number;
  error: unknown;
  /** Why its dead letter can never be written. */
  hopeless: { readonly error: unknown } | undefined;
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
  readonly #errors: Readonly<Record<Wait, RepeatedErrors>>;
  readonly #held = new WeakMap<OwnedPartition, Held>();
  readonly #timers = new Set<Cancellable>();
  #closed = false;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    const errorsOf = (wait: Wait): RepeatedErrors =>
      new RepeatedErrors(logger, `kafka consumer: a record waits for ${WAITS[wait]}`, () => clock.now());
    this.#errors = {
      DECODER_UNAVAILABLE: errorsOf("DECODER_UNAVAILABLE"),
      DEAD_LETTER_FAILED: errorsOf("DEAD_LETTER_FAILED"),
    };
  }

  /** The record at `offset`, which was given back, is decoded again when its decoder may be ready. */
  untilDecoder(owned: OwnedPartition, offset: number, error: DecoderUnavailableError): void {
    const held = this.#heldAt(owned, offset, "DECODER_UNAVAILABLE");
    held.error = error;
    this.#hold(owned, held, error.until);
  }

  /** The record at `offset`, which was given back, waits for its letter; `isHopeless` says whether that can never be written. */
  untilWritten(
    owned: OwnedPartition,
    offset: number,
    writing: Promise<void>,
    isHopeless: (error: unknown) => boolean,
  ): void {
    const held = this.#heldAt(owned, offset, "DEAD_LETTER_FAILED");
    const written = writing.catch((error: unknown) => {
      held.error = error;
      if (isHopeless(error)) held.hopeless = { error };
    });
    this.#hold(owned, held, written);
  }

  /** Why the letter of the record at `offset` can never be written. */
  hopelessAt(owned: OwnedPartition, offset: number): Held["hopeless"] {
    const held = this.#held.get(owned);
    return held?.offset === offset ? held.hopeless : undefined;
  }

  /** The record that holds `owned` back. */
  of(owned: OwnedPartition): HeldRecord | undefined {
    const held = owned.buffer.isPutOff ? this.#held.get(owned) : undefined;
    if (!held) return undefined;
    const { offset, since, tries, wait, error } = held;
    const why = error === undefined ? undefined : messageOf(error);
    return { offset, tries, forMs: this.#clock.now() - since, waitsFor: WAITS[wait], why };
  }

  /** Those of `partitions` that wait for long. */
  troubles(partitions: Iterable<OwnedPartition>): readonly HeldTrouble[] {
    return [...partitions].flatMap((owned) => {
      const held = this.of(owned);
      if (!held || (held.tries === 1 && held.forMs < TROUBLE_MS)) return [];
      return [{ code: (this.#held.get(owned) as Held).wait, message: `${String(owned)}: ${heldInWords(held)}` }];
    });
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }

  #heldAt(owned: OwnedPartition, offset: number, wait: Wait): Held {
    const before = this.#held.get(owned);
    const held = before?.offset === offset ? before : this.#first(offset, wait);
    this.#held.set(owned, held);
    held.wait = wait;
    held.tries += 1;
    return held;
  }

  #first(offset: number, wait: Wait): Held {
    const backoff = new Backoff(BACKOFF);
    return { offset, since: this.#clock.now(), backoff, wait, tries: 0, error: undefined, hopeless: undefined };
  }

  #hold(owned: OwnedPartition, held: Held, until: PromiseLike<unknown> | undefined): void {
    if (this.#closed) return;
    if (until !== undefined && held.tries === 1) {
      // It is done once. The client reads on, for a pause makes it throw its prefetch away.
      void settled(until).then(() => owned.goOn());
      return;
    }
    this.#errors[held.wait].warn(held.error);
    owned.hold();
    void Promise.all([settled(until), this.#elapsed(held.backoff.next())]).then(() => {
      owned.goOn();
      owned.release();
    });
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
