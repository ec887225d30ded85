import { acrossCopies } from "@millrace/streams/stage";
import type { TopicPartition } from "../../client/port.js";
import type { AuditTrail } from "../../ledger/auditor.js";
import { type Outcome, PartitionLedger } from "../../ledger/partition-ledger.js";
import { ClaimChain } from "../../ledger/claim-chain.js";
import { RecordClaim } from "../../ledger/record-claim.js";
import { partitionKey, partitionName } from "../../client/partition-key.js";
import { type CommitPosition, CommitState } from "./commit-state.js";
import type { BufferedRun } from "./fetched-chunk.js";
import { PartitionBuffer } from "./partition-buffer.js";
import { ReadPosition } from "./read-position.js";

/** A position to commit of a partition. */
export interface Watermark extends CommitPosition {
  readonly owned: OwnedPartition;
  /** The group had it before this assignment, under which nothing has been delivered. */
  readonly stored: boolean;
}

/** Notified by partitions. */
export interface PartitionListener {
  /** A claim has ended. */
  onEnded(partition: OwnedPartition): void;
  /** More may be delivered than before, for another reason. */
  onRoom(): void;
}

/**
 * One partition under one assignment: what waits to be delivered (`PartitionBuffer`), the claims of what was (the
 * ledger), and what is committed (`CommitState`). A later assignment of the same partition is another object, so
 * whatever still refers to this one is inert (I6).
 *
 *     offsets ──────┬─────────────────┬───────────────────────┬────────────────┬──────────────────┬─────────►
 *      reading.first     committed         position = resumeAt       last.next        reading.next       reading.end
 *      (read first)      │ finished        │ in flight             │ buffered       │ not read yet
 *
 * Only the client moves `reading`, only the stream moves `last`, only the ends of claims move `position`, and only the
 * broker's answer moves `committed`. Before anything is delivered, reading begins where `reading.from` says.
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
  /** Beyond it records share a claim: on the explicit surface, where only a later record finishes a filtered one. */
  readonly #claimBound: number;
  readonly #listener: PartitionListener;
  readonly reading: ReadPosition = new ReadPosition();
  readonly buffer: PartitionBuffer = new PartitionBuffer(this.reading);
  readonly commit: CommitState;
  #holds = 0;
  #complete = false;
  #retired = false;
  #abandoned = false;
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
    this.commit = new CommitState(this.ledger, trail);
    this.#claimBound = claimBound;
    this.#listener = listener;
  }

  /** Records that wait to be delivered. */
  get buffered(): number {
    return this.buffer.records;
  }

  get bufferedBytes(): number {
    return this.buffer.bytes;
  }

  /** Records handed to the stream under this assignment. */
  get handedOver(): number {
    return this.buffer.handedOver;
  }

  /** The next offset that is not finished or, of a plain source, not handed over; `undefined` before any. */
  get position(): number | undefined {
    const next = this.ledger.watermark ?? this.buffer.last?.next;
    return this.#isThrough ? Math.max(this.reading.end, next ?? 0) || next : next;
  }

  /** All that was read has been handed over and, where that is known, is finished. */
  get #isThrough(): boolean {
    const { inFlight, delivered } = this.ledger;
    return this.buffer.records === 0 && inFlight === 0 && (!this.commit.begun || delivered === this.handedOver);
  }

  toString(): string {
    return partitionName(this);
  }

  /**
   * Where to read again without missing anything: at the first unfinished record; of a plain source, at the last chunk
   * handed over, because how much of it was seen is not known. `undefined`: reading has not begun.
   */
  get resumeAt(): number | undefined {
    return this.ledger.watermark ?? this.buffer.last?.from ?? this.reading.first;
  }

  /** The end of offsets without a record that can be committed, where it has one. */
  get #tail(): number | undefined {
    const { end } = this.reading;
    return end > (this.committed ?? 0) && this.#isThrough ? end : undefined;
  }

  /** Delivers nothing of it until `release`. */
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

  /** From now on finished records are committed. Before, nothing is, whatever ends. */
  commits(): void {
    this.commit.begin();
  }

  /** Claims between the watermark and the last delivered record: what the ledger has to remember. */
  get span(): number {
    return this.ledger.inFlight + this.ledger.behindWatermark;
  }

  /** The last position the broker acknowledged under this assignment. */
  get committed(): number | undefined {
    return this.commit.committed;
  }

  add(run: BufferedRun): void {
    this.buffer.add(run);
  }

  /** See `PartitionBuffer.take`. */
  take(records: number, bytes?: number): BufferedRun | undefined {
    return this.buffer.take(records, bytes);
  }

  /** See `PartitionBuffer.putOff`. */
  goOn(): void {
    this.buffer.goOn();
    this.#listener.onRoom();
  }

  /** Records that a crash would repeat. */
  get replays(): number {
    return this.ledger.replays + (this.buffer.isParking ? 1 : 0);
  }

  /** Drops what waits; returns how many records that was. */
  drop(): number {
    return this.buffer.drop();
  }

  /** Stops delivery; returns how many waiting records were dropped. */
  retire(): number {
    this.#retired = true;
    return this.drop();
  }

  /** Stops delivery; records in flight will never be finished. */
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

  /** Opens the claim of a record that is delivered now; `bytes` is its size, where bytes are bounded. */
  open(offset: number, now: number, bytes?: number): number {
    this.commit.delivered(now);
    this.#trail.delivered(offset);
    return this.ledger.open(offset, now, this.#claimBound, bytes);
  }

  /** A record that is delivered ends at once: nothing of it goes on in the stream. */
  pass(offset: number, now: number, outcome: Outcome): void {
    this.commit.delivered(now);
    this.#trail.delivered(offset);
    if (!this.ledger.pass(offset, now, outcome, this.#claimBound)) return;
    this.#trail.ended(offset);
    this.#listener.onEnded(this);
  }

  /** Opens the claim that a record carries. */
  claim(offset: number, key: unknown, now: number, bytes?: number): RecordClaim {
    const claim = new RecordClaim(this, this.open(offset, now, bytes), offset, key);
    this.#claims.add(claim);
    return claim;
  }

  /** The claim that blocks the watermark, where records carry theirs. */
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
    this.commit.ask(offset + 1, metadata);
    this.#listener.onEnded(this);
  }

  /** Nothing of it is on its way to a committer: what is unfinished was dropped. Returns whether there was any. */
  discardUnfinished(): boolean {
    const { lastOffset, inFlight, fenced } = this.ledger;
    if (fenced || inFlight === 0 || lastOffset === undefined) return false;
    this.ledger.endThrough(lastOffset, "discarded");
    this.#trail.endedThrough(lastOffset);
    this.#listener.onEnded(this);
    return true;
  }

  /** A commit would be news: a higher position, or more finished above it. */
  get hasNews(): boolean {
    return this.commit.hasNews(this.#tail);
  }

  /** What to commit, if anything has finished since the last commit or, with `again`, has ever been committed. */
  watermark(now: number, again: boolean = false): Watermark | undefined {
    const position = this.commit.position(now, this.#tail, again);
    return position && { ...position, owned: this, stored: false };
  }

  /** The broker has acknowledged it. */
  commitAcknowledged(position: CommitPosition): void {
    if (this.commit.acknowledged(position)) this.#listener.onRoom();
  }
}
