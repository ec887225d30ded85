import { InvariantViolation } from "@millrace/streams";

/** How a claim ends. Those still open when the partition is lost or the run has ended are `abandoned`. */
export type Outcome = "processed" | "discarded" | "parked";

/** A record that is delivered and not finished. */
export interface OpenClaim {
  readonly sequence: number;
  readonly offset: number;
  /** By the run's clock, in whole milliseconds. */
  readonly openedAt: number;
}

/** Slots at first; a power of two, and whole words of `WORD_BITS`. */
const FIRST_SIZE = 64;
const WORD_BITS = 32;

/**
 * Records that share a claim, because they came while the ledger was at its bound. Its slot has the offset from which on
 * one of them may be unfinished, and it is open as long as one is.
 */
interface SharedClaim {
  readonly sequence: number;
  /** Offset of the last record, and of the last that has not ended by itself. */
  last: number;
  lastOpen: number;
  /** Records that are not known to lie below the watermark, and those of them that are unfinished, at most. */
  records: number;
  open: number;
  endedInPart: boolean;
}

/** Position of the lowest bit that is set, in a word with one. */
const lowestBit = (word: number): number => 31 - Math.clz32(word & -word);

/**
 * The claims of one partition under one assignment, in delivery order, and which of them have ended: a ring by sequence
 * number. It records offsets that were seen and never computes with them, for compaction and transactions leave holes.
 *
 *     ended, committed │ ended │ open  ended  open  open │ (not delivered)
 *                      │       ▲ head = the watermark    │ next
 *
 * The head is open, or it is `next`. A slot outside of head…next has no bit in `#open`.
 *
 * Long: everything that touches the ring, for nothing else may.
 */
export class PartitionLedger {
  #offsets = new Float64Array(FIRST_SIZE);
  /** Modulo 2^32: resolved against the latest, from which no claim in flight is 24 days away. */
  #openedAt = new Int32Array(FIRST_SIZE);
  /** A bit per slot: claims that end in any order touch nothing else, so it should fit the innermost cache. */
  #open = new Int32Array(FIRST_SIZE / WORD_BITS);
  #mask = FIRST_SIZE - 1;
  /** Sequence number of the first unfinished claim. */
  #head = 0;
  #next = 0;
  #lastOffset = -1;
  #lastOpenedAt = 0;
  #committed = 0;
  #fenced = false;
  readonly #ended = { processed: 0, discarded: 0, parked: 0 };
  /** In their order; none of them lies below the head. */
  readonly #shared: SharedClaim[] = [];
  /** What the records of each open claim take, once one was opened with a size; 0 in every other slot. */
  #bytes: Float64Array | undefined;
  #openBytes = 0;
  /** Records beyond one per claim: of all claims, and of those below the watermark. */
  #more = 0;
  #moreBelow = 0;

  /**
   * Opens the claim of the next delivered record and returns its sequence number. With `bound` claims between the head
   * and it, one claim stands for all that follow until some have ended: that is for claims that end in order only.
   * `bytes` is what the record takes, where that is bounded.
   */
  open(offset: number, now: number, bound: number = Number.POSITIVE_INFINITY, bytes: number = 0): number {
    this.#requireLater(offset);
    if (this.#next - this.#head < bound) {
      const sequence = this.#add(offset, now, true);
      if (bytes > 0) this.#addBytes(sequence & this.#mask, bytes);
      return sequence;
    }
    const shared = this.#sharedBy(offset, now);
    const slot = shared.sequence & this.#mask;
    if (bytes > 0) this.#addBytes(slot, bytes);
    // Those before it that share the claim have ended, if there are any.
    if (shared.open === 0) this.#offsets[slot] = offset;
    (this.#open[slot >>> 5] as number) |= 1 << slot;
    shared.lastOpen = offset;
    shared.open += 1;
    return shared.sequence;
  }

  /** A record is delivered and ended in one step; returns as `end` does. A claim that it shares stays as it is. */
  pass(offset: number, now: number, outcome: Outcome, bound: number = Number.POSITIVE_INFINITY): boolean {
    if (this.#fenced) return false;
    this.#requireLater(offset);
    if (this.#next - this.#head < bound) this.#add(offset, now, false);
    else this.#sharedBy(offset, now);
    this.#count(outcome, 1);
    this.#advance();
    return true;
  }

  #addBytes(slot: number, bytes: number): void {
    this.#bytes ??= new Float64Array(this.#mask + 1);
    (this.#bytes[slot] as number) += bytes;
    this.#openBytes += bytes;
  }

  /** This part of the slot's bytes has ended. */
  #endBytes(slot: number, part: number): void {
    if (this.#bytes === undefined) return;
    const bytes = Math.round((this.#bytes[slot] as number) * part);
    (this.#bytes[slot] as number) -= bytes;
    this.#openBytes -= bytes;
  }

  #requireLater(offset: number): void {
    if (offset > this.#lastOffset) return;
    throw new InvariantViolation(`offset ${offset} was delivered after ${this.#lastOffset}`);
  }

  /** The claim at the end of a ledger at its bound, which the record now shares. One that others follow cannot grow any more. */
  #sharedBy(offset: number, now: number): SharedClaim {
    const last = this.#shared.at(-1);
    if (last?.sequence === this.#next - 1) {
      last.last = offset;
      last.records += 1;
      this.#more += 1;
      this.#lastOffset = offset;
      return last;
    }
    const sequence = this.#add(offset, now, false);
    const shared = { sequence, last: offset, lastOpen: -1, records: 1, open: 0, endedInPart: false };
    this.#shared.push(shared);
    return shared;
  }

  #add(offset: number, now: number, open: boolean): number {
    const sequence = this.#next;
    if (sequence - this.#head > this.#mask) this.#grow();
    const slot = sequence & this.#mask;
    this.#offsets[slot] = offset;
    this.#openedAt[slot] = now;
    if (open) (this.#open[slot >>> 5] as number) |= 1 << slot;
    this.#lastOffset = offset;
    this.#lastOpenedAt = now;
    this.#next = sequence + 1;
    return sequence;
  }

  /** Ends one claim; returns whether that changed anything: it does not once the ledger is fenced (I6). */
  end(sequence: number, outcome: Outcome): boolean {
    if (this.#fenced) return false;
    const slot = sequence & this.#mask;
    const word = this.#open[slot >>> 5] as number;
    const bit = 1 << slot;
    if (sequence < this.#head || sequence >= this.#next || (word & bit) === 0) {
      throw new InvariantViolation(`claim ${sequence} was ended twice`);
    }
    this.#open[slot >>> 5] = word ^ bit;
    this.#endBytes(slot, 1);
    this.#count(outcome, 1);
    if (sequence === this.#head) this.#advance();
    return true;
  }

  /** Ends every open claim up to and including `offset`: what committing an offset says. */
  endThrough(offset: number, outcome: Outcome): void {
    if (this.#fenced) return;
    let records = 0;
    let sharedSeen = 0;
    for (let sequence = this.#head; sequence < this.#next; sequence++) {
      const slot = sequence & this.#mask;
      if ((this.#offsets[slot] as number) > offset) break;
      const shared = this.#shared[sharedSeen]?.sequence === sequence ? this.#shared[sharedSeen++] : undefined;
      const word = this.#open[slot >>> 5] as number;
      const bit = 1 << slot;
      if ((word & bit) === 0) continue;
      if (shared && shared.lastOpen > offset) {
        records += this.#endInPart(shared, offset);
        break;
      }
      this.#open[slot >>> 5] = word ^ bit;
      this.#endBytes(slot, 1);
      records += shared ? shared.open : 1;
      if (shared) shared.open = 0;
    }
    if (records === 0) return;
    this.#count(outcome, records);
    this.#advance();
  }

  /**
   * Which record of the claim comes next is not known any more, but none of those up to `offset` is unfinished. Returns
   * how many ended: offsets have holes, so these may be fewer than did, and the others count with the last one.
   */
  #endInPart(shared: SharedClaim, offset: number): number {
    this.#offsets[shared.sequence & this.#mask] = offset + 1;
    shared.endedInPart = true;
    const records = Math.min(shared.records, shared.last - offset);
    const open = Math.min(shared.open, shared.lastOpen - offset);
    const ended = shared.open - open;
    this.#endBytes(shared.sequence & this.#mask, ended / shared.open);
    this.#moreBelow += shared.records - records;
    shared.records = records;
    shared.open = open;
    return ended;
  }

  /** Named one by one: a property by a variable name costs as much as all the rest of `end`. */
  #count(outcome: Outcome, records: number): void {
    if (outcome === "processed") this.#ended.processed += records;
    else if (outcome === "discarded") this.#ended.discarded += records;
    else this.#ended.parked += records;
  }

  #advance(): void {
    this.#head = this.#firstOpen();
    while (this.#shared.length > 0) {
      const { sequence, records } = this.#shared[0] as SharedClaim;
      if (sequence >= this.#head) return;
      this.#moreBelow += records - 1;
      this.#shared.shift();
    }
  }

  /** Looks at a word of slots at a time. */
  #firstOpen(): number {
    let head = this.#head;
    while (head < this.#next) {
      const slot = head & this.#mask;
      const word = (this.#open[slot >>> 5] as number) >>> slot;
      if (word !== 0) return head + lowestBit(word);
      head += WORD_BITS - (slot & (WORD_BITS - 1));
    }
    return this.#next;
  }

  /** Below that offset there is only what was delivered. */
  passTo(offset: number): void {
    this.#lastOffset = Math.max(this.#lastOffset, offset - 1);
  }

  /** What may be committed: the offset of the first unfinished claim, or one after the last delivered; none before any. */
  get watermark(): number | undefined {
    if (this.#lastOffset < 0) return undefined;
    return this.#head === this.#next ? this.#lastOffset + 1 : this.#offsets[this.#head & this.#mask];
  }

  /** The watermark, where the claim that it stands at has ended for some of its records. */
  get endedInPart(): number | undefined {
    const [first] = this.#shared;
    return first?.endedInPart && first.sequence === this.#head ? this.watermark : undefined;
  }

  /** Records below the watermark, to hand to `commitAcknowledged` once that position is committed. */
  get belowWatermark(): number {
    return this.#head + this.#moreBelow;
  }

  /** The broker has the position that was the watermark when `belowWatermark` was read. */
  commitAcknowledged(belowWatermark: number): void {
    if (belowWatermark > this.belowWatermark) {
      throw new InvariantViolation(
        `${belowWatermark} records were committed and only ${this.belowWatermark} have ended`,
      );
    }
    if (belowWatermark > this.#committed) this.#committed = belowWatermark;
  }

  get #endedInAll(): number {
    return this.#ended.processed + this.#ended.discarded + this.#ended.parked;
  }

  /** Records delivered and not ended. */
  get inFlight(): number {
    return this.delivered - this.#endedInAll;
  }

  /** What the records that have not ended take, of those that were opened with a size. */
  get openBytes(): number {
    return this.#openBytes;
  }

  /** Records that have ended and wait for an older one. */
  get behindWatermark(): number {
    return this.#endedInAll - this.belowWatermark;
  }

  /** Records below the watermark whose position is not known to be committed. */
  get uncommitted(): number {
    return this.belowWatermark - this.#committed;
  }

  /** Records a crash now would deliver again. */
  get replays(): number {
    return this.delivered - this.#committed;
  }

  get delivered(): number {
    return this.#next + this.#more;
  }

  get outcomes(): Readonly<Record<Outcome, number>> {
    return this.#ended;
  }

  get lastOffset(): number | undefined {
    return this.#lastOffset < 0 ? undefined : this.#lastOffset;
  }

  /** The claim that blocks the watermark. */
  get oldest(): OpenClaim | undefined {
    if (this.#head === this.#next) return undefined;
    const slot = this.#head & this.#mask;
    const latest = Math.floor(this.#lastOpenedAt);
    return {
      sequence: this.#head,
      offset: this.#offsets[slot] as number,
      openedAt: latest + (((this.#openedAt[slot] as number) - latest) | 0),
    };
  }

  /** Offsets of claims that have ended above the watermark, ascending. */
  endedAbove(): number[] {
    const offsets: number[] = [];
    for (let sequence = this.#head; sequence < this.#next; sequence++) {
      const slot = sequence & this.#mask;
      if (((this.#open[slot >>> 5] as number) & (1 << slot)) === 0) offsets.push(this.#offsets[slot] as number);
    }
    return offsets;
  }

  /** From now on nothing changes: the partition has another owner. */
  fence(): void {
    this.#fenced = true;
  }

  get fenced(): boolean {
    return this.#fenced;
  }

  #grow(): void {
    const size = 2 * (this.#mask + 1);
    const offsets = new Float64Array(size);
    const openedAt = new Int32Array(size);
    const open = new Int32Array(size / WORD_BITS);
    const bytes = this.#bytes && new Float64Array(size);
    for (let sequence = this.#head; sequence < this.#next; sequence++) {
      const from = sequence & this.#mask;
      const to = sequence & (size - 1);
      offsets[to] = this.#offsets[from] as number;
      openedAt[to] = this.#openedAt[from] as number;
      if (bytes && this.#bytes) bytes[to] = this.#bytes[from] as number;
      (open[to >>> 5] as number) |= (((this.#open[from >>> 5] as number) >>> from) & 1) << to;
    }
    this.#offsets = offsets;
    this.#openedAt = openedAt;
    this.#open = open;
    this.#bytes = bytes;
    this.#mask = size - 1;
  }
}
