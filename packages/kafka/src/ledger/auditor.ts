import { InvariantViolation } from "@millrace/streams";
import { acrossCopies } from "@millrace/streams/stage";
import type { TopicPartition } from "../client/port.js";
import { partitionKey } from "../client/partition-key.js";

/** A position that is to be committed, or has been, for one assignment of a partition. */
export interface AuditedPosition extends TopicPartition {
  readonly epoch: number;
  readonly position: number;
  /** The group had it before this assignment: committed again, it changes nothing. */
  readonly stored?: boolean;
}

/** A commit, or a step that leads to one, which would break a promise of delivery: fails the stream, is never supervised. */
export class DeliveryViolation extends InvariantViolation {
  static {
    acrossCopies(this, "DeliveryViolation");
  }

  override readonly name: string = "DeliveryViolation";
  readonly topic: string;
  readonly partition: number;
  readonly epoch: number;
  /** What was to be committed; none where no commit is at fault. */
  readonly position: number | undefined;
  /** None where nothing delivered was unfinished. */
  readonly lowestUnfinished: number | undefined;

  constructor(
    { topic, partition, epoch }: Omit<AuditedPosition, "position" | "stored">,
    rule: string,
    at: { readonly position?: number; readonly lowestUnfinished?: number | undefined } = {},
  ) {
    super(`delivery violated: ${topic}[${partition}], epoch ${epoch}: ${rule}`, "DELIVERY_VIOLATED");
    this.topic = topic;
    this.partition = partition;
    this.epoch = epoch;
    this.position = at.position;
    this.lowestUnfinished = at.lowestUnfinished;
  }
}

/** Offsets on one page: a power of two, and whole words of 32 bits. */
const PAGE_OFFSETS = 512;
const PAGE_WORDS = PAGE_OFFSETS / 32;

/** Multiplies, for a division takes three times as long. */
const pageNumber = (offset: number): number => Math.floor(offset * (1 / PAGE_OFFSETS));

/** Which of 512 neighbouring offsets are unfinished: a bit each. */
class Page {
  readonly number: number;
  readonly words = new Int32Array(PAGE_WORDS);
  earlier: Page | undefined;
  later: Page | undefined;

  constructor(number: number) {
    this.number = number;
  }

  /** None on a blank page. */
  get lowest(): number | undefined {
    for (let index = 0; index < PAGE_WORDS; index++) {
      const word = this.words[index] as number;
      if (word !== 0) return this.number * PAGE_OFFSETS + index * 32 + 31 - Math.clz32(word & -word);
    }
    return undefined;
  }

  clearThrough(offset: number): void {
    const cleared = Math.min(offset - this.number * PAGE_OFFSETS + 1, PAGE_OFFSETS);
    if (cleared <= 0) return;
    for (let index = 0; index < cleared >>> 5; index++) this.words[index] = 0;
    if (cleared < PAGE_OFFSETS) (this.words[cleared >>> 5] as number) &= -1 << cleared;
  }
}

/**
 * The records of one partition under one assignment, as reported by the code that delivers and ends them: a set of
 * unfinished offsets, in pages that exist only as long as something on them is unfinished.
 */
export class AuditTrail {
  readonly #of: Omit<AuditedPosition, "position" | "stored">;
  /** Only the newest, which waits for more, may be blank. Linked too: a map's first key lies past all deleted ones. */
  readonly #pages = new Map<number, Page>();
  #newest = new Page(-1);
  #oldest = this.#newest;
  /** The page last ended on: records end near one another. */
  #recent = this.#newest;
  #last = -1;
  #sent = -1;
  #fenced = false;

  constructor(topic: string, partition: number, epoch: number) {
    this.#of = { topic, partition, epoch };
  }

  get epoch(): number {
    return this.#of.epoch;
  }

  /** A record leaves the source; offsets ascend. */
  delivered(offset: number): void {
    if (this.#fenced) return;
    if (offset <= this.#last) {
      throw new DeliveryViolation(this.#of, `offset ${offset} was delivered after ${this.#last}`);
    }
    const number = pageNumber(offset);
    const page = number === this.#newest.number ? this.#newest : this.#turn(number);
    const index = offset & (PAGE_OFFSETS - 1);
    (page.words[index >>> 5] as number) |= 1 << index;
    this.#last = offset;
  }

  /** A record is finished, in whatever order. */
  ended(offset: number): void {
    if (this.#fenced) return;
    const number = pageNumber(offset);
    const page = number === this.#recent.number ? this.#recent : this.#pages.get(number);
    const index = offset & (PAGE_OFFSETS - 1);
    const word = page?.words[index >>> 5] ?? 0;
    const bit = 1 << index;
    if (page === undefined || (word & bit) === 0) {
      throw new DeliveryViolation(this.#of, `offset ${offset} was ended and is not unfinished`);
    }
    page.words[index >>> 5] = word ^ bit;
    this.#recent = page;
    if (word === bit && page !== this.#newest && page.lowest === undefined) this.#remove(page);
  }

  /** Every delivered record up to and including this one is finished. */
  endedThrough(offset: number): void {
    if (this.#fenced) return;
    for (;;) {
      const page = this.#oldest;
      page.clearThrough(offset);
      if (page === this.#newest || page.lowest !== undefined) return;
      this.#remove(page);
    }
  }

  /** Below that offset the broker has only what was delivered. */
  passedTo(offset: number): void {
    if (this.#last < offset - 1) this.#last = offset - 1;
  }

  /** The partition is no longer owned: from now on nothing counts. */
  fenced(): void {
    this.#fenced = true;
    this.#pages.clear();
    this.#newest = new Page(-1);
    this.#oldest = this.#newest;
    this.#recent = this.#newest;
  }

  #turn(number: number): Page {
    const before = this.#newest;
    const page = new Page(number);
    page.earlier = before;
    before.later = page;
    this.#pages.set(number, page);
    this.#newest = page;
    if (before.lowest === undefined) this.#remove(before);
    return page;
  }

  /** There is always a later one, for the newest stays. */
  #remove(page: Page): void {
    const { earlier, later } = page;
    if (later === undefined) throw new InvariantViolation("the newest page of an audit trail was removed");
    later.earlier = earlier;
    if (earlier) earlier.later = later;
    else this.#oldest = later;
    // A reference to this page must not keep all later ones alive.
    page.earlier = undefined;
    page.later = undefined;
    this.#pages.delete(page.number);
  }

  /** Throws unless the position may be sent; then no lower one may follow, for a commit that fails may yet be stored. */
  check(position: number): void {
    const lowestUnfinished = this.#oldest.lowest;
    const violated = (rule: string): DeliveryViolation =>
      new DeliveryViolation(this.#of, rule, { position, lowestUnfinished });
    if (this.#fenced) throw violated(`position ${position} was to be committed, and the partition is no longer owned`);
    if (lowestUnfinished !== undefined && position > lowestUnfinished) {
      throw violated(`position ${position} was to be committed, and offset ${lowestUnfinished} is unfinished`);
    }
    if (position > this.#last + 1) {
      throw violated(`position ${position} was to be committed, and nothing above offset ${this.#last} was delivered`);
    }
    if (position < this.#sent) throw violated(`position ${position} was to be committed after ${this.#sent}`);
    this.#sent = position;
  }

  /** Throws unless a position that the group has may be sent again: as long as nothing has been delivered. */
  checkStored(position: number): void {
    if (!this.#fenced && this.#last < 0) return;
    const why = this.#fenced ? "the partition is no longer owned" : `offset ${this.#last} was delivered since`;
    throw new DeliveryViolation(this.#of, `stored position ${position} was to be committed again, and ${why}`, {
      position,
    });
  }

  /** Throws when the broker has stored what never passed `check`. */
  committed(position: number): void {
    if (this.#fenced || position <= this.#sent) return;
    throw new DeliveryViolation(this.#of, `position ${position} was committed without having been checked`, {
      position,
      lowestUnfinished: this.#oldest.lowest,
    });
  }
}

/**
 * Checks every commit of a consumer before it is sent, against its own account of what was delivered and what has ended. It
 * shares no code and no data with the ledger, and knows records by their offsets alone, so that neither repeats the
 * other's mistake.
 */
export class Auditor {
  readonly #trails = new Map<string, AuditTrail>();

  /** Begins the account of a new assignment, in place of an older one's. */
  assigned(topic: string, partition: number, epoch: number): AuditTrail {
    const key = partitionKey({ topic, partition });
    const before = this.#trails.get(key);
    if (before !== undefined && before.epoch >= epoch) {
      throw new DeliveryViolation({ topic, partition, epoch }, `assigned after epoch ${before.epoch}`);
    }
    before?.fenced();
    const trail = new AuditTrail(topic, partition, epoch);
    this.#trails.set(key, trail);
    return trail;
  }

  /**
   * Throws a `DeliveryViolation` unless each position may be committed: not above the lowest unfinished offset, nor
   * above what was delivered, not below an earlier one of its epoch, not for a partition that is not owned.
   */
  check(positions: readonly AuditedPosition[]): void {
    for (const at of positions) {
      const trail = this.#trails.get(partitionKey(at));
      if (trail?.epoch !== at.epoch) {
        throw new DeliveryViolation(at, `position ${at.position} was to be committed, and the partition is not owned`, {
          position: at.position,
        });
      }
      if (at.stored) trail.checkStored(at.position);
      else trail.check(at.position);
    }
  }

  /** The broker has these; throws where one never passed `check`. Partitions lost meanwhile are skipped. */
  committed(positions: readonly AuditedPosition[]): void {
    for (const at of positions) {
      const trail = this.#trails.get(partitionKey(at));
      if (trail?.epoch === at.epoch && !at.stored) trail.committed(at.position);
    }
  }
}
