import type { AuditTrail } from "../../ledger/auditor.js";
import { encodeFinished } from "../../ledger/finished-set/encode-finished.js";
import { type FinishedSet, NOTHING_FINISHED } from "../../ledger/finished-set/finished-set.js";
import type { PartitionLedger } from "../../ledger/partition-ledger.js";

/** A position that can be committed, and how much of the ledger it stands for. */
export interface CommitPosition {
  readonly position: number;
  readonly metadata: string | undefined;
  /** The highest position asked for that this one covers; `undefined` for sources with context. */
  readonly asked: number | undefined;
  /** Records below it. */
  readonly below: number;
  /** Finished claims above the position, which the metadata lists. */
  readonly finishedAbove: number;
  /** When the oldest record above the position was delivered; `undefined` when there was none yet. */
  readonly oldestAbove: number | undefined;
  readonly takenAt: number;
}

/** How far the group is with one partition under one assignment, and what there is to commit. */
export class CommitState {
  readonly #ledger: PartitionLedger;
  readonly #trail: AuditTrail;
  #isCommitted = false;
  #committed: number | undefined;
  /** What a user asked to commit last, and with what metadata. */
  #asked: number | undefined;
  #metadata: string | undefined;
  #covered: number | undefined;
  /** When the oldest record that a crash would repeat was delivered. */
  #replaysSince: number | undefined;
  /** What an earlier owner had finished above its last commit. */
  #finished: FinishedSet = NOTHING_FINISHED;
  /** Metadata bytes of a commit for records finished above the position; 0 leaves them out. */
  #metadataBytes = 0;
  /** How many claims above its position were finished at the last acknowledged commit. */
  #finishedAbove = 0;

  constructor(ledger: PartitionLedger, trail: AuditTrail) {
    this.#ledger = ledger;
    this.#trail = trail;
  }

  /** From now on finished records are committed. Before, nothing is, whatever ends. */
  begin(): void {
    this.#isCommitted = true;
  }

  get begun(): boolean {
    return this.#isCommitted;
  }

  /** The last position the broker acknowledged. */
  get committed(): number | undefined {
    return this.#committed;
  }

  /** The highest position asked for that the broker has acknowledged, itself or by one above it. */
  get covered(): number | undefined {
    return this.#covered;
  }

  get replaysSince(): number | undefined {
    return this.#replaysSince;
  }

  /** A record is delivered now. */
  delivered(now: number): void {
    this.#replaysSince ??= now;
  }

  /** A commit of this position is requested. */
  ask(position: number, metadata: string | undefined): void {
    // Where the next offsets have no records, the position that is committed is above what was asked for.
    if (position < (this.#asked ?? 0)) return;
    this.#asked = position;
    this.#metadata = metadata;
  }

  /** Commits list what is finished above the position, in `maxBytes`; `finished` is what an earlier one listed. */
  rememberFinished(maxBytes: number, finished: FinishedSet): void {
    this.#metadataBytes = maxBytes;
    this.#finished = finished;
  }

  /** The broker accepts no such metadata: what it would have listed is read again after a crash. */
  forgetFinished(): void {
    this.#metadataBytes = 0;
  }

  /** An earlier owner has finished this record. */
  isFinished(offset: number): boolean {
    return this.#finished.has(offset);
  }

  /** A commit would be news: a higher position (`end` is one behind offsets without a record), or more above it. */
  hasNews(end: number | undefined): boolean {
    if (!this.#isCommitted) return false;
    const { uncommitted, behindWatermark, endedInPart } = this.#ledger;
    const committed = this.#committed ?? 0;
    if ((endedInPart ?? 0) > committed || (end ?? 0) > committed) return true;
    return uncommitted > 0 || (this.#metadataBytes > 0 && behindWatermark !== this.#finishedAbove);
  }

  /** What to commit, if there is news or, with `again`, if anything was ever committed. */
  position(now: number, end: number | undefined, again: boolean): CommitPosition | undefined {
    const ledger = this.#ledger;
    const isNews = this.hasNews(end);
    if (this.#isCommitted && end !== undefined && end > (this.#committed ?? 0)) {
      ledger.passTo(end);
      this.#trail.passedTo(end);
    }
    const position = ledger.watermark;
    if (ledger.fenced || position === undefined) return undefined;
    if (!isNews && (!again || this.#committed === undefined)) return undefined;
    return {
      position,
      metadata: this.#metadataBytes > 0 ? this.#listFinished(position) : this.#metadata,
      asked: this.#asked,
      below: ledger.belowWatermark,
      finishedAbove: ledger.behindWatermark,
      oldestAbove: ledger.oldest?.openedAt,
      takenAt: now,
    };
  }

  #listFinished(position: number): string | undefined {
    return encodeFinished(position, this.#ledger.endedAbove(), this.#metadataBytes, this.#finished);
  }

  /** The broker has acknowledged it; returns whether that is new. */
  acknowledged({ position, asked, below, finishedAbove, oldestAbove, takenAt }: CommitPosition): boolean {
    // The answer to a commit that had timed out may come after that to a later one.
    if (position < (this.#committed ?? 0)) return false;
    this.#committed = position;
    this.#covered = asked;
    this.#finishedAbove = finishedAbove;
    this.#ledger.commitAcknowledged(below);
    // What was delivered after the watermark was taken is younger than that moment.
    this.#replaysSince = this.#ledger.replays === 0 ? undefined : (oldestAbove ?? takenAt);
    return true;
  }
}
