import { acrossCopies } from "@millrace/streams/stage";
import type { TopicPartition } from "../../client/port.js";
import type { AuditTrail } from "../../ledger/auditor.js";
import { encodeFinished } from "../../ledger/finished-set/encode-finished.js";
import { type FinishedSet, NOTHING_FINISHED } from "../../ledger/finished-set/finished-set.js";
import { type Outcome, PartitionLedger } from "../../ledger/partition-ledger.js";
import { ClaimChain } from "../../ledger/claim-chain.js";
import { RecordClaim } from "../../ledger/record-claim.js";
import { partitionKey, placeName } from "../../client/partition-key.js";
import { BufferedRuns } from "./buffered-runs.js";
import type { BufferedRun } from "./fetched-chunk.js";
import { ReadPosition } from "./read-position.js";

/** A position to commit, and how much of the ledger it stands for. */
export interface Watermark {
  readonly owned: OwnedPartition;
  readonly position: number;
  readonly metadata: string | undefined;
  /** The group had it before this assignment, under which nothing has been delivered. */
  readonly stored: boolean;
  /** The highest position that was asked for and that this one answers; none on the followed surface. */
  readonly asked: number | undefined;
  /** Records below it. */
  readonly below: number;
  /** Finished claims above the position, which the metadata tells of. */
  readonly finishedAbove: number;
  /** When the oldest record above the position was delivered; `undefined` when there was none yet. */
  readonly oldestAbove: number | undefined;
  readonly takenAt: number;
}

/** Whom partitions tell. */
export interface PartitionListener {
  /** A claim has ended. */
  onEnded(partition: OwnedPartition): void;
  /** More may be delivered than before, for another reason. */
  onRoom(): void;
}

/**
 * One partition under one assignment: what waits to be delivered, the claims of what was, and what is committed. A later
 * assignment of the same partition is another object, so whatever still refers to this one is inert (I6).
 *
 *     delivering ──► retired (delivers no more, its claims may end) ──► fenced (nothing changes any more)
 */
export class OwnedPartition implements TopicPartition {
  static {
    acrossCopies(this, "OwnedPartition");
  }

  readonly topic: string;
  readonly partition: number;
  readonly key: string;
  readonly epoch: number;
  readonly ledger: PartitionLedger = new PartitionLedger();
  readonly #trail: AuditTrail;
  /** Beyond it records share a claim: on the explicit surface, where a filtered record is finished only with a later one. */
  readonly #claimBound: number;
  readonly #listener: PartitionListener;
  /** What an earlier owner had finished above its last commit. */
  #finished: FinishedSet = NOTHING_FINISHED;
  /** Bytes that a commit may say in its metadata about records finished above the position; 0 says nothing. */
  #metadataBytes = 0;
  #finishedAbove = 0;
  readonly #waiting = new BufferedRuns();
  readonly reading: ReadPosition = new ReadPosition();
  /** Offsets of the chunk handed over last, and the one after it. */
  #lastTaken: { readonly from: number; readonly next: number } | undefined;
  #handedOver = 0;
  #holds = 0;
  #complete = false;
  #isCommitted = false;
  #retired = false;
  #abandoned = false;
  #committed: number | undefined;
  #asked: number | undefined;
  #covered: number | undefined;
  /** When the oldest record that a crash would repeat was delivered. */
  #replaysSince: number | undefined;
  #metadata: string | undefined;
  readonly #claims = new ClaimChain();

  constructor(
    { topic, partition }: TopicPartition,
    epoch: number,
    trail: AuditTrail,
    listener: PartitionListener,
    claimBound: number = Number.POSITIVE_INFINITY,
  ) {
    this.topic = topic;
    this.partition = partition;
    this.key = partitionKey({ topic, partition });
    this.epoch = epoch;
    this.#trail = trail;
    this.#claimBound = claimBound;
    this.#listener = listener;
  }

  /** Records that wait to be delivered. */
  get buffered(): number {
    return this.#waiting.records;
  }

  get bufferedBytes(): number {
    return this.#waiting.bytes;
  }

  /** Records handed to the stream under this assignment. */
  get handedOver(): number {
    return this.#handedOver;
  }

  /** The next offset that is not finished or, where nobody finishes records, not handed over; none before any. */
  get position(): number | undefined {
    const next = this.ledger.watermark ?? this.#lastTaken?.next;
    return this.#isThrough ? Math.max(this.reading.end, next ?? 0) || next : next;
  }

  /** All that was read has been handed over and, where that is known, is finished. */
  get #isThrough(): boolean {
    const { inFlight, delivered } = this.ledger;
    return this.#waiting.records === 0 && inFlight === 0 && (!this.#isCommitted || delivered === this.#handedOver);
  }

  toString(): string {
    return placeName(this);
  }

  /**
   * Where another reading has to begin to miss nothing: at the first unfinished record; where nobody finishes any, at the
   * last chunk handed over, for how much of it was seen is not known. None: reading has not begun.
   */
  get resumeAt(): number | undefined {
    return this.ledger.watermark ?? this.#lastTaken?.from ?? this.reading.first;
  }

  /** It ends in offsets without a record that can be committed. */
  get #hasTail(): boolean {
    return this.reading.end > (this.#committed ?? 0) && this.#isThrough;
  }

  /** For a while nothing of it is delivered. */
  hold(): void {
    this.#holds += 1;
  }

  release(): void {
    this.#holds -= 1;
    if (this.#holds === 0) this.#listener.onRoom();
  }

  get isHeld(): boolean {
    return this.#holds > 0;
  }

  /** What waits is the last that is wanted of it. */
  complete(): void {
    this.#complete = true;
  }

  get isComplete(): boolean {
    return this.#complete;
  }

  get retired(): boolean {
    return this.#retired;
  }

  /** Somebody commits what is finished of it. Before, nothing of it is committed, whatever ends. */
  commits(): void {
    this.#isCommitted = true;
  }

  get isCommitted(): boolean {
    return this.#isCommitted;
  }

  /** Claims between the watermark and the last delivered record: what the ledger has to remember. */
  get span(): number {
    return this.ledger.inFlight + this.ledger.behindWatermark;
  }

  /** The last position the broker acknowledged under this assignment. */
  get committed(): number | undefined {
    return this.#committed;
  }

  /** The highest position asked for that the broker has acknowledged, by itself or by one that stands for it. */
  get covered(): number | undefined {
    return this.#covered;
  }

  get replaysSince(): number | undefined {
    return this.#replaysSince;
  }

  add(run: BufferedRun): void {
    this.reading.saw(run.fetched.chunk.offset(run.from));
    this.#waiting.add(run);
  }

  /** The oldest waiting run, or as much of it as fits into so many records and bytes. */
  take(records: number, bytes?: number): BufferedRun | undefined {
    const run = this.#waiting.take(records, bytes);
    if (!run) return undefined;
    this.#lastTaken = { from: run.fetched.chunk.offset(run.from), next: run.lastOffset + 1 };
    this.#handedOver += run.to - run.from;
    return run;
  }

  /** Forgets what waits and answers how much it was. */
  drop(): number {
    const dropped = this.#waiting.drop();
    this.reading.stop(dropped > 0);
    return dropped;
  }

  /** Delivers nothing more; answers how many waiting records were dropped. */
  retire(): number {
    this.#retired = true;
    return this.drop();
  }

  /** Delivers nothing more, and nobody is left to end what is in flight. */
  abandon(): void {
    this.#abandoned = true;
    this.retire();
  }

  /** Nothing is in flight that could still end. */
  get isIdle(): boolean {
    return this.#abandoned || this.ledger.fenced || this.ledger.inFlight === 0;
  }

  fence(): void {
    this.#retired = true;
    this.drop();
    this.#claims.clear();
    this.ledger.fence();
    this.#trail.fenced();
  }

  /** Commits tell what is finished above the position, in so many bytes; `finished` is what an earlier one told. */
  rememberFinished(maxBytes: number, finished: FinishedSet): void {
    this.#metadataBytes = maxBytes;
    this.#finished = finished;
  }

  /** The broker takes no such metadata: what it would have told is read again after a crash. */
  forgetFinished(): void {
    this.#metadataBytes = 0;
  }

  /** An earlier owner has finished this record. */
  isFinished(offset: number): boolean {
    return this.#finished.has(offset);
  }

  /** Opens the claim of a record that is delivered now, and takes so many bytes, where these are bounded. */
  open(offset: number, now: number, bytes?: number): number {
    this.#replaysSince ??= now;
    this.#trail.delivered(offset);
    return this.ledger.open(offset, now, this.#claimBound, bytes);
  }

  /** A record that is delivered ends at once: nothing of it goes on in the stream. */
  pass(offset: number, now: number, outcome: Outcome): void {
    this.#replaysSince ??= now;
    this.#trail.delivered(offset);
    if (!this.ledger.pass(offset, now, outcome, this.#claimBound)) return;
    this.#trail.ended(offset);
    this.#listener.onEnded(this);
  }

  /** Opens the claim of a record that it follows. */
  claim(offset: number, key: unknown, now: number, bytes?: number): RecordClaim {
    const claim = new RecordClaim(this, this.open(offset, now, bytes), offset, key);
    this.#claims.add(claim);
    return claim;
  }

  /** The claim that blocks the watermark, where records are followed by theirs. */
  get blockingClaim(): RecordClaim | undefined {
    return this.#claims.first;
  }

  /** Ends one claim. */
  end(sequence: number, offset: number, outcome: Outcome): void {
    if (!this.ledger.end(sequence, outcome)) return;
    this.#trail.ended(offset);
    this.#claims.forgetEnded();
    this.#listener.onEnded(this);
  }

  /** Ends all claims up to `offset`, which is what committing it says. */
  endThrough(offset: number, metadata: string | undefined): void {
    if (this.ledger.fenced) return;
    this.ledger.endThrough(offset, "processed");
    this.#trail.endedThrough(offset);
    // Where the next offsets have no records, the position that is committed is above what was asked for.
    if (offset + 1 >= (this.#asked ?? 0)) {
      this.#asked = offset + 1;
      this.#metadata = metadata;
    }
    this.#listener.onEnded(this);
  }

  /** Nothing of it is on its way to a committer: what is unfinished was dropped. Answers whether there was any. */
  discardUnfinished(): boolean {
    const { lastOffset, inFlight, fenced } = this.ledger;
    if (fenced || inFlight === 0 || lastOffset === undefined) return false;
    this.ledger.endThrough(lastOffset, "discarded");
    this.#trail.endedThrough(lastOffset);
    this.#listener.onEnded(this);
    return true;
  }

  /** A commit would tell something: a higher position, or what is finished above it. */
  get hasNews(): boolean {
    if (!this.#isCommitted) return false;
    const { uncommitted, behindWatermark, endedInPart } = this.ledger;
    if ((endedInPart !== undefined && endedInPart > (this.#committed ?? 0)) || this.#hasTail) return true;
    return uncommitted > 0 || (this.#metadataBytes > 0 && behindWatermark !== this.#finishedAbove);
  }

  /** What to commit, if anything has finished since the last commit or, with `again`, has ever been committed. */
  watermark(now: number, again: boolean = false): Watermark | undefined {
    const { ledger } = this;
    if (this.#isCommitted && this.#hasTail) {
      ledger.passTo(this.reading.end);
      this.#trail.passedTo(this.reading.end);
    }
    const position = ledger.watermark;
    if (ledger.fenced || position === undefined) return undefined;
    if (!this.hasNews && (!again || this.#committed === undefined)) return undefined;
    return {
      owned: this,
      position,
      metadata: this.#metadataBytes > 0 ? this.#tellFinished(position) : this.#metadata,
      stored: false,
      asked: this.#asked,
      below: ledger.belowWatermark,
      finishedAbove: ledger.behindWatermark,
      oldestAbove: ledger.oldest?.openedAt,
      takenAt: now,
    };
  }

  #tellFinished(position: number): string | undefined {
    return encodeFinished(position, this.ledger.endedAbove(), this.#metadataBytes, this.#finished);
  }

  /** The broker has it. */
  commitAcknowledged({ position, asked, below, finishedAbove, oldestAbove, takenAt }: Watermark): void {
    // The answer to a commit that had timed out comes after that to a later one.
    if (position < (this.#committed ?? 0)) return;
    this.#committed = position;
    this.#covered = asked;
    this.#finishedAbove = finishedAbove;
    this.ledger.commitAcknowledged(below);
    // What was delivered after the watermark was taken is younger than that moment.
    this.#replaysSince = this.ledger.replays === 0 ? undefined : (oldestAbove ?? takenAt);
    this.#listener.onRoom();
  }
}
