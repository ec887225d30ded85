import { InvariantViolation } from "@millrace/streams";
import type { ProducerEnvelope, ProducerResult, RecordMetadata } from "../messages.js";

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** An envelope on its way; keys and values are let go, for the client has copied them. */
interface OpenEnvelope<out P> {
  readonly passThrough: P;
  readonly firstId: number;
  /** One for each record; a report fills it in. */
  readonly metadata: Writable<RecordMetadata>[];
  /** Records not yet reported. */
  left: number;
  /** A record of it failed, and supervision said to go on without it. */
  dropped: boolean;
}

/**
 * The envelopes that wait for acknowledgements, in input order, found by the id of a record. Ids count up, and those in
 * flight lie close together, so a ring indexed by id replaces a map.
 */
export class InFlightRecords<P> {
  readonly #bound: number;
  #ring: (OpenEnvelope<P> | undefined)[];
  #open: OpenEnvelope<P>[] = [];
  #head = 0;
  #nextId = 0;

  constructor(bound: number) {
    this.#bound = bound;
    this.#ring = new Array<OpenEnvelope<P> | undefined>(1024).fill(undefined);
  }

  get nextId(): number {
    return this.#nextId;
  }

  get isEmpty(): boolean {
    return this.#head === this.#open.length;
  }

  /** Whether an envelope of `records` may go; one alone always may, however many records it has. */
  hasRoom(records: number): boolean {
    return this.isEmpty || (this.#span() + records <= this.#bound && this.#open.length - this.#head < this.#bound);
  }

  add(envelope: ProducerEnvelope<unknown, unknown, P>): void {
    const count = envelope.records.length;
    const open: OpenEnvelope<P> = {
      passThrough: envelope.passThrough,
      firstId: this.#nextId,
      metadata: envelope.records.map(({ topic }) => ({ topic, partition: -1, offset: -1 })),
      left: count,
      dropped: false,
    };
    this.#reserve(this.#span() + count);
    this.#open.push(open);
    for (let index = 0; index < count; index++) this.#ring[this.#nextId++ & (this.#ring.length - 1)] = open;
  }

  acknowledge(id: number, partition: number, offset: number): void {
    const open = this.#settle(id);
    const metadata = open.metadata[id - open.firstId] as Writable<RecordMetadata>;
    metadata.partition = partition;
    metadata.offset = offset;
  }

  drop(id: number): void {
    this.#settle(id).dropped = true;
  }

  /** Moves the envelopes at the head whose records are all settled into `results`. */
  collect(results: ProducerResult<P>[]): void {
    for (let open = this.#open[this.#head]; open?.left === 0; open = this.#open[this.#head]) {
      if (!open.dropped) results.push({ metadata: open.metadata, passThrough: open.passThrough });
      this.#head += 1;
    }
    if (this.#head > 1024 && 2 * this.#head > this.#open.length) {
      this.#open = this.#open.slice(this.#head);
      this.#head = 0;
    }
  }

  #span(): number {
    return this.#nextId - (this.#open[this.#head]?.firstId ?? this.#nextId);
  }

  #settle(id: number): OpenEnvelope<P> {
    const slot = id & (this.#ring.length - 1);
    const open = this.#ring[slot];
    // The slot may have a newer record by now, whose envelope must not end by the report of an older one.
    if (!open || id < open.firstId || id >= open.firstId + open.metadata.length) {
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
    for (let id = this.#nextId - this.#span(); id < this.#nextId; id++) {
      ring[id & (size - 1)] = this.#ring[id & (this.#ring.length - 1)];
    }
    this.#ring = ring;
  }
}
