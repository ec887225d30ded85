import { InvariantViolation } from "@millrace/streams";
import type { ProducerEnvelope, ProducerResult, RecordMetadata } from "../messages.js";

/** Records the rings have room for at first; a power of two. */
const FIRST_SIZE = 1024;

/** An envelope on its way: small, because there are thousands. Keys and values are let go, for the client has copied them. */
interface OpenEnvelope<out P> {
  readonly passThrough: P;
  readonly firstId: number;
  readonly count: number;
  /** Of each record; where there is one record, its topic. */
  readonly topics: string | readonly string[];
  /** Records not yet reported. */
  left: number;
  /** A record of it failed, and supervision said to go on without it. */
  dropped: boolean;
  /** The envelope after it: a list, because a long-lived array of young objects is dear to collect. */
  next: OpenEnvelope<P> | undefined;
}

const topicsOf = (records: ProducerEnvelope<unknown, unknown, unknown>["records"]): string | readonly string[] =>
  records.length === 1 ? (records[0]?.topic ?? "") : records.map(({ topic }) => topic);

/**
 * The envelopes that wait for acknowledgements, in input order, found by the id of a record. Ids count up, and those in
 * flight lie close together, so rings indexed by id replace a map.
 */
export class InFlightRecords<P> {
  readonly #bound: number;
  readonly #onDropped: (passThrough: P) => void;
  #ring: (OpenEnvelope<P> | undefined)[];
  /** What the reports said, until the envelope leaves. */
  #partitions: Int32Array;
  #offsets: Float64Array;
  #first: OpenEnvelope<P> | undefined;
  #last: OpenEnvelope<P> | undefined;
  #open = 0;
  #nextId = 0;

  /** `onDropped` gets the pass-through of each envelope that leaves without a result. */
  constructor(bound: number, onDropped: (passThrough: P) => void = () => undefined) {
    this.#bound = bound;
    this.#onDropped = onDropped;
    this.#ring = new Array<OpenEnvelope<P> | undefined>(FIRST_SIZE).fill(undefined);
    this.#partitions = new Int32Array(FIRST_SIZE);
    this.#offsets = new Float64Array(FIRST_SIZE);
  }

  get nextId(): number {
    return this.#nextId;
  }

  get isEmpty(): boolean {
    return this.#first === undefined;
  }

  /** Whether an envelope of `records` may go; one alone always may, however many records it has. */
  hasRoom(records: number): boolean {
    return this.isEmpty || (this.#span() + records <= this.#bound && this.#open < this.#bound);
  }

  add(envelope: ProducerEnvelope<unknown, unknown, P>): void {
    const count = envelope.records.length;
    const open: OpenEnvelope<P> = {
      passThrough: envelope.passThrough,
      firstId: this.#nextId,
      count,
      topics: topicsOf(envelope.records),
      left: count,
      dropped: false,
      next: undefined,
    };
    this.#reserve(this.#span() + count);
    if (this.#last) this.#last.next = open;
    else this.#first = open;
    this.#last = open;
    this.#open += 1;
    for (let index = 0; index < count; index++) this.#ring[this.#nextId++ & (this.#ring.length - 1)] = open;
  }

  acknowledge(id: number, partition: number, offset: number): void {
    this.#settle(id);
    const slot = id & (this.#ring.length - 1);
    this.#partitions[slot] = partition;
    this.#offsets[slot] = offset;
  }

  drop(id: number): void {
    this.#settle(id).dropped = true;
  }

  /** Moves the envelopes at the head whose records are all settled into `results`. */
  collect(results: ProducerResult<P>[]): void {
    for (let open = this.#first; open?.left === 0; open = this.#first) {
      if (open.dropped) this.#onDropped(open.passThrough);
      else results.push({ metadata: this.#metadata(open), passThrough: open.passThrough });
      this.#first = open.next;
      // An old dead one would keep all after it alive until a full collection.
      open.next = undefined;
      this.#open -= 1;
    }
    if (!this.#first) this.#last = undefined;
  }

  #metadata({ firstId, count, topics }: OpenEnvelope<P>): readonly RecordMetadata[] {
    if (typeof topics === "string") return [this.#metadataOf(firstId, topics)];
    const metadata: RecordMetadata[] = [];
    for (let index = 0; index < count; index++) {
      metadata.push(this.#metadataOf(firstId + index, topics[index] as string));
    }
    return metadata;
  }

  #metadataOf(id: number, topic: string): RecordMetadata {
    const slot = id & (this.#ring.length - 1);
    return { topic, partition: this.#partitions[slot] as number, offset: this.#offsets[slot] as number };
  }

  #span(): number {
    return this.#first ? this.#nextId - this.#first.firstId : 0;
  }

  #settle(id: number): OpenEnvelope<P> {
    const slot = id & (this.#ring.length - 1);
    const open = this.#ring[slot];
    // The slot may have a newer record by now, whose envelope must not end by the report of an older one.
    if (!open || id < open.firstId || id >= open.firstId + open.count) {
      throw new InvariantViolation(`record ${id} was reported twice`);
    }
    this.#ring[slot] = undefined;
    open.left -= 1;
    return open;
  }

  /** Doubles the ring until `span` ids fit; every id in flight keeps its envelope. */
  #reserve(span: number): void {
    let size = this.#ring.length;
    while (size < span) size *= 2;
    if (size === this.#ring.length) return;
    const ring = new Array<OpenEnvelope<P> | undefined>(size).fill(undefined);
    const partitions = new Int32Array(size);
    const offsets = new Float64Array(size);
    for (let id = this.#nextId - this.#span(); id < this.#nextId; id++) {
      const from = id & (this.#ring.length - 1);
      const to = id & (size - 1);
      ring[to] = this.#ring[from];
      partitions[to] = this.#partitions[from] as number;
      offsets[to] = this.#offsets[from] as number;
    }
    this.#ring = ring;
    this.#partitions = partitions;
    this.#offsets = offsets;
  }
}
