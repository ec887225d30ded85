import { InvariantViolation } from "@millrace/streams";

/** How a claim ends; `abandoned` is what those become that are still open when the partition is lost or the run has ended. */
export type Outcome = "processed" | "discarded" | "parked";

/** A record that is delivered and not finished. */
export interface OpenClaim {
  readonly sequence: number;
  readonly offset: number;
  /** Of the run's clock, in milliseconds. */
  readonly openedAt: number;
}

/** Slots at first; a power of two. */
const FIRST_SIZE = 64;

const OPEN = 1;
const ENDED = 0;

/**
 * The claims of one partition under one assignment, in delivery order, and which of them have ended: a ring by sequence
 * number. It records offsets that were seen and never computes with them, for compaction and transactions leave holes.
 *
 *     ended, committed │ ended │ open  ended  open  open │ (not delivered)
 *                      │       ▲ head = the watermark    │ next
 */
export class PartitionLedger {
  #offsets = new Float64Array(FIRST_SIZE);
  #openedAt = new Float64Array(FIRST_SIZE);
  #states = new Uint8Array(FIRST_SIZE);
  #mask = FIRST_SIZE - 1;
  /** Sequence number of the first unfinished claim. */
  #head = 0;
  #next = 0;
  /** Claims at or after the head that have ended. */
  #endedAhead = 0;
  #lastOffset = -1;
  #committed = 0;
  #fenced = false;
  readonly #ended = { processed: 0, discarded: 0, parked: 0 };

  /** Opens the claim of the next delivered record and answers its sequence number. */
  open(offset: number, now: number): number {
    if (offset <= this.#lastOffset) {
      throw new InvariantViolation(`offset ${offset} was delivered after ${this.#lastOffset}`);
    }
    const sequence = this.#next;
    if (sequence - this.#head > this.#mask) this.#grow();
    const slot = sequence & this.#mask;
    this.#offsets[slot] = offset;
    this.#openedAt[slot] = now;
    this.#states[slot] = OPEN;
    this.#lastOffset = offset;
    this.#next = sequence + 1;
    return sequence;
  }

  /** Ends one claim; answers whether that changed anything: it does not once the ledger is fenced (I6). */
  end(sequence: number, outcome: Outcome): boolean {
    if (this.#fenced) return false;
    const slot = sequence & this.#mask;
    if (sequence < this.#head || sequence >= this.#next || this.#states[slot] !== OPEN) {
      throw new InvariantViolation(`claim ${sequence} was ended twice`);
    }
    this.#states[slot] = ENDED;
    this.#ended[outcome] += 1;
    this.#endedAhead += 1;
    if (sequence === this.#head) this.#advance();
    return true;
  }

  /** Ends every open claim up to and including `offset`: what committing an offset says. */
  endThrough(offset: number, outcome: Outcome): void {
    if (this.#fenced) return;
    for (let sequence = this.#head; sequence < this.#next; sequence++) {
      const slot = sequence & this.#mask;
      if ((this.#offsets[slot] as number) > offset) break;
      if (this.#states[slot] !== OPEN) continue;
      this.#states[slot] = ENDED;
      this.#ended[outcome] += 1;
      this.#endedAhead += 1;
    }
    this.#advance();
  }

  #advance(): void {
    let head = this.#head;
    while (head < this.#next && this.#states[head & this.#mask] === ENDED) head += 1;
    this.#endedAhead -= head - this.#head;
    this.#head = head;
  }

  /** What may be committed: the offset of the first unfinished claim, or one after the last delivered; none before any. */
  get watermark(): number | undefined {
    if (this.#next === 0) return undefined;
    return this.#head === this.#next ? this.#lastOffset + 1 : (this.#offsets[this.#head & this.#mask] as number);
  }

  /** Claims below the watermark, to hand to `commitAcknowledged` once that position is committed. */
  get watermarkSequence(): number {
    return this.#head;
  }

  /** The broker has the position that was the watermark when `watermarkSequence` was read. */
  commitAcknowledged(watermarkSequence: number): void {
    if (watermarkSequence > this.#committed) this.#committed = watermarkSequence;
  }

  /** Claims delivered and not ended. */
  get inFlight(): number {
    return this.#next - this.#head - this.#endedAhead;
  }

  /** Claims that have ended and wait for an older one. */
  get behindWatermark(): number {
    return this.#endedAhead;
  }

  /** Claims below the watermark whose position is not known to be committed. */
  get uncommitted(): number {
    return this.#head - this.#committed;
  }

  /** Records a crash now would deliver again. */
  get replays(): number {
    return this.#next - this.#committed;
  }

  get delivered(): number {
    return this.#next;
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
    return {
      sequence: this.#head,
      offset: this.#offsets[slot] as number,
      openedAt: this.#openedAt[slot] as number,
    };
  }

  /** Offsets of claims that have ended above the watermark, ascending. */
  endedAbove(): number[] {
    const offsets: number[] = [];
    for (let sequence = this.#head; sequence < this.#next; sequence++) {
      const slot = sequence & this.#mask;
      if (this.#states[slot] === ENDED) offsets.push(this.#offsets[slot] as number);
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
    const openedAt = new Float64Array(size);
    const states = new Uint8Array(size);
    for (let sequence = this.#head; sequence < this.#next; sequence++) {
      const from = sequence & this.#mask;
      const to = sequence & (size - 1);
      offsets[to] = this.#offsets[from] as number;
      openedAt[to] = this.#openedAt[from] as number;
      states[to] = this.#states[from] as number;
    }
    this.#offsets = offsets;
    this.#openedAt = openedAt;
    this.#states = states;
    this.#mask = size - 1;
  }
}
