import type { RecordClaim } from "./record-claim.js";

/** Claims in the order of their records, from the first that has not ended. */
export class ClaimChain {
  #first: RecordClaim | undefined;
  #last: RecordClaim | undefined;

  add(claim: RecordClaim): void {
    if (this.#last) this.#last.next = claim;
    else this.#first = claim;
    this.#last = claim;
  }

  get first(): RecordClaim | undefined {
    this.forgetEnded();
    return this.#first;
  }

  forgetEnded(): void {
    for (let first = this.#first; first?.ended; first = this.#first) {
      this.#first = first.next;
      // An old dead one would keep all after it alive until a full collection.
      first.next = undefined;
    }
    if (!this.#first) this.#last = undefined;
  }

  clear(): void {
    this.#first = undefined;
    this.#last = undefined;
  }
}
