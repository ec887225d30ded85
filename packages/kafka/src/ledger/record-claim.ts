import { type Claim, InvariantViolation } from "@millrace/streams";
import type { Outcome } from "./partition-ledger.js";

/** Of the shares of a record: a record that is parked is not done, and one that is done was not dropped. */
const WEIGHT: Readonly<Record<Outcome, number>> = { discarded: 0, processed: 1, parked: 2 };

const laterOutcome = (one: Outcome, other: Outcome): Outcome => (WEIGHT[other] > WEIGHT[one] ? other : one);

/** Notified when a claim ends. */
export interface ClaimOwner {
  /** Fenced when nothing of it changes any more: the partition was given up. */
  readonly ledger: { readonly fenced: boolean };
  /** The partition, for messages: `orders[3]`. */
  toString(): string;
  end(sequence: number, offset: number, outcome: Outcome): void;
}

/** The claim of one record of a source with context. */
export class RecordClaim implements Claim {
  readonly #owner: ClaimOwner;
  readonly #sequence: number;
  readonly #offset: number;
  readonly key: unknown;
  /** The record as it came, where a stage may need it, until it has ended. */
  raw: object | undefined;
  /** The next delivered record's claim: a list, because a long-lived array of young objects is expensive to collect. */
  next: RecordClaim | undefined;
  #shares = 1;
  #stage = "source";
  #outcome: Outcome = "discarded";

  constructor(owner: ClaimOwner, sequence: number, offset: number, key: unknown) {
    this.#owner = owner;
    this.#sequence = sequence;
    this.#offset = offset;
    this.key = key;
  }

  /** The assignment that its record was read under. */
  get owner(): ClaimOwner {
    return this.#owner;
  }

  /** Where its record was seen last. */
  get stage(): string {
    return this.#stage;
  }

  get ended(): boolean {
    return this.#shares === 0;
  }

  /** Ending it changes nothing any more: the partition of its record was given up. */
  get isFenced(): boolean {
    return this.#owner.ledger.fenced;
  }

  share(more: number): void {
    this.#shares += more;
  }

  end(outcome: Outcome): void {
    if (this.#shares === 0) throw new InvariantViolation(`the claim of offset ${this.#offset} was ended twice`);
    this.#outcome = laterOutcome(this.#outcome, outcome);
    this.#shares -= 1;
    if (this.#shares > 0) return;
    this.raw = undefined;
    this.#owner.end(this.#sequence, this.#offset, this.#outcome);
  }

  at(stage: string): void {
    this.#stage = stage;
  }

  toString(): string {
    return `${String(this.#owner)}@${this.#offset}`;
  }
}
