import type { OpenClaim, Outcome, PartitionLedger } from "../../../src/ledger/partition-ledger.js";

interface Claim {
  readonly offset: number;
  readonly openedAt: number;
  readonly bytes?: number;
  outcome: Outcome | undefined;
}

/** What the ledger promises, in the plainest way: every claim there ever was, in a list. */
export class NaiveLedger {
  readonly claims: Claim[] = [];
  committed = 0;
  fenced = false;

  get head(): number {
    const first = this.claims.findIndex(({ outcome }) => outcome === undefined);
    return first < 0 ? this.claims.length : first;
  }

  end(sequence: number, outcome: Outcome): boolean {
    if (this.fenced) return false;
    this.claims[sequence]!.outcome = outcome;
    return true;
  }

  endThrough(offset: number, outcome: Outcome): void {
    if (this.fenced) return;
    for (const claim of this.claims) if (claim.offset <= offset) claim.outcome ??= outcome;
  }

  get #open(): readonly Claim[] {
    return this.claims.filter(({ outcome }) => outcome === undefined);
  }

  #ended(outcome: Outcome): number {
    return this.claims.filter((claim) => claim.outcome === outcome).length;
  }

  get oldest(): OpenClaim | undefined {
    const claim = this.claims[this.head];
    return claim && { sequence: this.head, offset: claim.offset, openedAt: Math.floor(claim.openedAt) };
  }

  view(): Figures {
    const last = this.claims.at(-1)?.offset;
    const ahead = this.claims.slice(this.head).filter(({ outcome }) => outcome !== undefined);
    return {
      watermark: this.#open[0]?.offset ?? (last === undefined ? undefined : last + 1),
      belowWatermark: this.head,
      inFlight: this.#open.length,
      openBytes: this.#open.reduce((sum, { bytes = 0 }) => sum + bytes, 0),
      behindWatermark: ahead.length,
      uncommitted: this.head - this.committed,
      replays: this.claims.length - this.committed,
      delivered: this.claims.length,
      lastOffset: last,
      outcomes: {
        processed: this.#ended("processed"),
        discarded: this.#ended("discarded"),
        parked: this.#ended("parked"),
      },
      oldest: this.oldest,
      endedAbove: ahead.map(({ offset }) => offset),
      fenced: this.fenced,
    };
  }
}

export type Figures = Readonly<
  Pick<
    PartitionLedger,
    | "watermark"
    | "belowWatermark"
    | "inFlight"
    | "openBytes"
    | "behindWatermark"
    | "uncommitted"
    | "replays"
    | "delivered"
    | "lastOffset"
    | "outcomes"
    | "oldest"
    | "fenced"
  > & { endedAbove: number[] }
>;

export const figuresOf = (ledger: PartitionLedger): Figures => ({
  watermark: ledger.watermark,
  belowWatermark: ledger.belowWatermark,
  inFlight: ledger.inFlight,
  openBytes: ledger.openBytes,
  behindWatermark: ledger.behindWatermark,
  uncommitted: ledger.uncommitted,
  replays: ledger.replays,
  delivered: ledger.delivered,
  lastOffset: ledger.lastOffset,
  outcomes: { ...ledger.outcomes },
  oldest: ledger.oldest,
  endedAbove: ledger.endedAbove(),
  fenced: ledger.fenced,
});
