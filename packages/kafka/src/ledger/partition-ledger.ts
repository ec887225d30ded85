import { InvariantViolation } from "@millrace/streams";

/** How a claim ends; `abandoned` is what those become that are still open when the partition is lost or the run has ended. */
export type Outcome = "processed" | "discarded" | "parked";

/** A record that is delivered and not finished. */
export interface OpenClaim {
  readonly sequence: number;
  readonly offset: number;
  /** Of the run's clock, in whole milliseconds. */
  readonly openedAt: number;
}

/** Slots at first; a power of two, and whole words of `WORD_BITS`. */
const FIRST_SIZE = 64;
const WORD_BITS = 32;

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
 */
export class PartitionLedger {
  #offsets = new Float64Array(FIRST_SIZE);
  /** Modulo 2^32: told apart by the latest, from which no claim in flight is 24 days away. */
  #openedAt = new Int32Array(FIRST_SIZE);
  /** A bit per slot: claims that end in any order touch nothing else, so it had better fit the innermost cache. */
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
  /** A claim that stands for several records: its own, `more` after it, the last of them at offset `last`. */
  #wide: { readonly sequence: number; last: number; more: number; endedInPart: boolean } | undefined;
  /** Records beyond one per claim: of all claims, and of those below the head. */
  #more = 0;
  #moreBelowHead = 0;

  /**
   * Opens the claim of the next delivered record and answers its sequence number. With `bound` claims between the head
   * and it, one claim stands for all that follow until some have ended: that is for claims that end in order only.
   */
  open(offset: number, now: number, bound: number = Number.POSITIVE_INFINITY): number {
    if (offset <= this.#lastOffset) {
      throw new InvariantViolation(`offset ${offset} was delivered after ${this.#lastOffset}`);
    }
    if (this.#next - this.#head < bound) return this.#add(offset, now);
    const wide = this.#wide;
    if (!wide) {
      this.#wide = { sequence: this.#next, last: offset, more: 0, endedInPart: false };
      return this.#add(offset, now);
    }
    // Others came after it, when there was room, so it cannot grow any more and has to end first.
    if (wide.sequence !== this.#next - 1) return this.#add(offset, now);
    wide.last = offset;
    wide.more += 1;
    this.#more += 1;
    this.#lastOffset = offset;
    return wide.sequence;
  }

  #add(offset: number, now: number): number {
    const sequence = this.#next;
    if (sequence - this.#head > this.#mask) this.#grow();
    const slot = sequence & this.#mask;
    this.#offsets[slot] = offset;
    this.#openedAt[slot] = now;
    (this.#open[slot >>> 5] as number) |= 1 << slot;
    this.#lastOffset = offset;
    this.#lastOpenedAt = now;
    this.#next = sequence + 1;
    return sequence;
  }

  /** Ends one claim; answers whether that changed anything: it does not once the ledger is fenced (I6). */
  end(sequence: number, outcome: Outcome): boolean {
    if (this.#fenced) return false;
    const slot = sequence & this.#mask;
    const word = this.#open[slot >>> 5] as number;
    const bit = 1 << slot;
    if (sequence < this.#head || sequence >= this.#next || (word & bit) === 0) {
      throw new InvariantViolation(`claim ${sequence} was ended twice`);
    }
    this.#open[slot >>> 5] = word ^ bit;
    this.#count(outcome, 1);
    if (sequence === this.#head) this.#advance();
    return true;
  }

  /** Ends every open claim up to and including `offset`: what committing an offset says. */
  endThrough(offset: number, outcome: Outcome): void {
    if (this.#fenced) return;
    let claims = 0;
    for (let sequence = this.#head; sequence < this.#next; sequence++) {
      const slot = sequence & this.#mask;
      if ((this.#offsets[slot] as number) > offset) break;
      if (sequence === this.#wide?.sequence) {
        if (this.#wide.last > offset) {
          // Which record comes next is not known any more, but none of those up to here is unfinished.
          this.#offsets[slot] = offset + 1;
          this.#wide.endedInPart = true;
          break;
        }
        claims += this.#wide.more;
        this.#moreBelowHead += this.#wide.more;
        this.#wide = undefined;
      }
      const word = this.#open[slot >>> 5] as number;
      const bit = 1 << slot;
      if ((word & bit) === 0) continue;
      this.#open[slot >>> 5] = word ^ bit;
      claims += 1;
    }
    if (claims === 0) return;
    this.#count(outcome, claims);
    this.#advance();
  }

  /** Named one by one: a property by a variable name costs as much as all the rest of `end`. */
  #count(outcome: Outcome, claims: number): void {
    if (outcome === "processed") this.#ended.processed += claims;
    else if (outcome === "discarded") this.#ended.discarded += claims;
    else this.#ended.parked += claims;
  }

  /** Moves the head to the first open claim, a word of slots at a time. */
  #advance(): void {
    let head = this.#head;
    while (head < this.#next) {
      const slot = head & this.#mask;
      const word = (this.#open[slot >>> 5] as number) >>> slot;
      if (word !== 0) {
        this.#head = head + lowestBit(word);
        return;
      }
      head += WORD_BITS - (slot & (WORD_BITS - 1));
    }
    this.#head = this.#next;
  }

  /** What may be committed: the offset of the first unfinished claim, or one after the last delivered; none before any. */
  get watermark(): number | undefined {
    if (this.#next === 0) return undefined;
    return this.#head === this.#next ? this.#lastOffset + 1 : this.#offsets[this.#head & this.#mask];
  }

  /** The watermark, where the claim that it stands at has ended for some of its records. */
  get endedInPart(): number | undefined {
    return this.#wide?.endedInPart && this.#wide.sequence === this.#head ? this.watermark : undefined;
  }

  /** Claims below the watermark, to hand to `commitAcknowledged` once that position is committed. */
  get watermarkSequence(): number {
    return this.#head;
  }

  /** The broker has the position that was the watermark when `watermarkSequence` was read. */
  commitAcknowledged(watermarkSequence: number): void {
    if (watermarkSequence > this.#head) {
      throw new InvariantViolation(`${watermarkSequence} claims were committed and only ${this.#head} have ended`);
    }
    if (watermarkSequence > this.#committed) this.#committed = watermarkSequence;
  }

  get #endedInAll(): number {
    return this.#ended.processed + this.#ended.discarded + this.#ended.parked;
  }

  /** Claims delivered and not ended. */
  get inFlight(): number {
    return this.delivered - this.#endedInAll;
  }

  /** Claims that have ended and wait for an older one. */
  get behindWatermark(): number {
    return this.#endedInAll - this.#head - this.#moreBelowHead;
  }

  /** Claims below the watermark whose position is not known to be committed. */
  get uncommitted(): number {
    return this.#head - this.#committed;
  }

  /** Records a crash now would deliver again. */
  get replays(): number {
    return this.delivered - this.#committed - this.#moreBelowHead;
  }

  get delivered(): number {
    return this.#next + this.#more;
  }

  get outcomes(): Readonly<Record<Outcome, number>> {
    return this.#ended;
  }

  get lastOffset(): number | undefined {
    return this.#next === 0 ? undefined : this.#lastOffset;
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

  /** From now on nothing changes: the partition is somebody else's. */
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
    for (let sequence = this.#head; sequence < this.#next; sequence++) {
      const from = sequence & this.#mask;
      const to = sequence & (size - 1);
      offsets[to] = this.#offsets[from] as number;
      openedAt[to] = this.#openedAt[from] as number;
      (open[to >>> 5] as number) |= (((this.#open[from >>> 5] as number) >>> from) & 1) << to;
    }
    this.#offsets = offsets;
    this.#openedAt = openedAt;
    this.#open = open;
    this.#mask = size - 1;
  }
}
