import { InvariantViolation } from "../../errors.js";

/** How a share of a claim ends. */
export type ClaimOutcome = "processed" | "discarded" | "parked";

/** The right, and the duty, to finish one record. */
export interface Claim {
  /** `more` further shares must end too. */
  share(more: number): void;
  /**
   * Ends one share; the claim has ended once all have. Its outcome is `parked` when any share's is, else `processed` when
   * any share's is, else `discarded`.
   */
  end(outcome: ClaimOutcome, reason?: string): void;
  /** Reports where its record is now, for explanations. */
  at(stage: string): void;
  /** Names its record, for messages: `orders[3]@1234`. */
  toString(): string;
}

/**
 * What flows in a stream with context: a value and one share of the claim it comes from. It has exactly one owner at a
 * time, so a one-to-one stage changes the value and passes the same pair on.
 */
export interface WithClaim<A> {
  value: A;
  claim: Claim;
}

/** Members of a joint claim that a message names. */
const MOST_NAMED = 3;

/** One claim in place of several: each of them ends, by one share, once the shares of this one have ended. */
export class JointClaim implements Claim {
  readonly #members: Claim[];
  #shares = 1;
  #outcome: ClaimOutcome = "discarded";
  #reason: string | undefined;

  constructor(members: Claim[]) {
    this.#members = members;
  }

  /** Adds a member, of which one share ends with this claim. */
  add(member: Claim): void {
    this.#members.push(member);
  }

  share(more: number): void {
    this.#shares += more;
  }

  end(outcome: ClaimOutcome, reason?: string): void {
    if (this.#shares === 0) throw new InvariantViolation("a joint claim was ended more often than it was shared");
    if (outcome === "parked" || (outcome === "processed" && this.#outcome === "discarded")) this.#outcome = outcome;
    this.#reason = reason ?? this.#reason;
    this.#shares -= 1;
    if (this.#shares > 0) return;
    for (const member of this.#members) member.end(this.#outcome, this.#reason);
  }

  at(stage: string): void {
    for (const member of this.#members) member.at(stage);
  }

  toString(): string {
    const more = this.#members.length - MOST_NAMED;
    return `${this.#members.slice(0, MOST_NAMED).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
  }
}

/** One pair in place of several: its value is made of theirs, and its claim is theirs together. */
export const joint = <A>(pairs: readonly WithClaim<A>[]): WithClaim<readonly A[]> => {
  const values: A[] = [];
  const claims: Claim[] = [];
  for (const { value, claim } of pairs) {
    values.push(value);
    claims.push(claim);
  }
  const [only] = claims;
  return { value: values, claim: only && claims.length === 1 ? only : new JointClaim(claims) };
};
