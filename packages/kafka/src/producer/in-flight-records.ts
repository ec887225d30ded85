import { InvariantViolation } from "@millrace/streams";
import { FailedEnvelope } from "./failed-envelope.js";
import type {
  ProducerEnvelope,
  ProducerFailure,
  ProducerRecord,
  ProducerResult,
  RecordMetadata,
} from "../records/messages.js";

/** Records the rings have room for at first; a power of two. */
const FIRST_SIZE = 1024;

/** Why and which records of an envelope failed: its place in the results is that of a failure. */
interface Failing {
  /** By the record's index; `undefined` where it was acknowledged. */
  readonly errors: (Error | undefined)[];
  /** None of its records was sent, because one could not be. */
  readonly unsent: boolean;
}

/**
 * An envelope on its way: small, because there are thousands. Keys and values are let go, for the client has copied them,
 * unless a failure is to name them.
 */
interface OpenEnvelope<out K, out V, out P> {
  readonly passThrough: P;
  readonly firstId: number;
  readonly count: number;
  /** Of each record; where there is one record, its topic. */
  readonly topics: string | readonly string[];
  /** Of its encoded records, which the client has until they are reported, or which are kept to name them. */
  readonly bytes: number;
  /** Records not yet reported. */
  left: number;
  /** A record of it failed, and supervision said to go on without it. */
  dropped: boolean;
  readonly records: readonly ProducerRecord<K, V>[] | undefined;
  failing: Failing | undefined;
  /** The envelope after it: a list, because a long-lived array of young objects is expensive to collect. */
  next: OpenEnvelope<K, V, P> | undefined;
}

const topicsOf = (records: ProducerEnvelope<unknown, unknown, unknown>["records"]): string | readonly string[] =>
  records.length === 1 ? (records[0]?.topic ?? "") : records.map(({ topic }) => topic);

/**
 * The envelopes that wait for acknowledgements, in input order, found by the id of a record. Ids count up, and those in
 * flight lie close together, so rings indexed by id replace a map.
 */
export class InFlightRecords<K, V, P> {
  readonly #bound: number;
  readonly #maxBytes: number;
  readonly #keepsRecords: boolean;
  readonly #onDropped: (passThrough: P) => void;
  #ring: (OpenEnvelope<K, V, P> | undefined)[];
  /** What the reports said, until the envelope leaves. */
  #partitions: Int32Array;
  #offsets: Float64Array;
  #first: OpenEnvelope<K, V, P> | undefined;
  #last: OpenEnvelope<K, V, P> | undefined;
  #open = 0;
  #bytes = 0;
  #nextId = 0;

  /** With `keepsRecords` envelopes can fail; `onDropped` gets the pass-through of each that leaves without a result. */
  constructor(
    bound: number,
    maxBytes: number = Number.POSITIVE_INFINITY,
    keepsRecords = false,
    onDropped: (passThrough: P) => void = () => undefined,
  ) {
    this.#bound = bound;
    this.#maxBytes = maxBytes;
    this.#keepsRecords = keepsRecords;
    this.#onDropped = onDropped;
    this.#ring = new Array<OpenEnvelope<K, V, P> | undefined>(FIRST_SIZE).fill(undefined);
    this.#partitions = new Int32Array(FIRST_SIZE);
    this.#offsets = new Float64Array(FIRST_SIZE);
  }

  get nextId(): number {
    return this.#nextId;
  }

  get isEmpty(): boolean {
    return this.#first === undefined;
  }

  /**
   * Whether an envelope of `records` may go while `results` wait for downstream; one alone always may, whatever its
   * records and their size.
   */
  hasRoom(records: number, results = 0): boolean {
    if (this.isEmpty) return results < this.#bound;
    if (this.#bytes >= this.#maxBytes) return false;
    return this.#span() + records + results <= this.#bound && this.#open + results < this.#bound;
  }

  /** `bytes`: of its encoded records. */
  add(envelope: ProducerEnvelope<K, V, P>, bytes: number): void {
    this.#add(envelope, envelope.records.length, bytes, undefined);
  }

  /** An envelope whose record at `index` cannot be sent, so none of it is; it keeps its place among the others. */
  addFailed(envelope: ProducerEnvelope<K, V, P>, index: number, error: Error): void {
    const errors = new Array<Error | undefined>(envelope.records.length).fill(undefined);
    errors[index] = error;
    this.#add(envelope, 0, 0, { errors, unsent: true });
  }

  #add(envelope: ProducerEnvelope<K, V, P>, count: number, bytes: number, failing: Failing | undefined): void {
    const open: OpenEnvelope<K, V, P> = {
      passThrough: envelope.passThrough,
      firstId: this.#nextId,
      count,
      topics: topicsOf(envelope.records),
      bytes,
      left: count,
      dropped: false,
      records: this.#keepsRecords ? envelope.records : undefined,
      failing,
      next: undefined,
    };
    this.#reserve(this.#span() + count);
    if (this.#last) this.#last.next = open;
    else this.#first = open;
    this.#last = open;
    this.#open += 1;
    this.#bytes += bytes;
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

  fail(id: number, error: Error): void {
    const open = this.#settle(id);
    open.failing ??= { errors: new Array<Error | undefined>(open.count).fill(undefined), unsent: false };
    open.failing.errors[id - open.firstId] = error;
  }

  /** Moves the envelopes at the head whose records are all settled into `results`. */
  collect(results: (ProducerResult<P> | ProducerFailure<K, V, P>)[]): void {
    for (let open = this.#first; open?.left === 0; open = this.#first) {
      if (open.dropped) this.#onDropped(open.passThrough);
      else if (open.failing) results.push(this.#failure(open, open.failing));
      else results.push({ metadata: this.#metadata(open), passThrough: open.passThrough });
      this.#first = open.next;
      // An old dead one would keep all after it alive until a full collection.
      open.next = undefined;
      this.#open -= 1;
      if (this.#keepsRecords) this.#bytes -= open.bytes;
    }
    if (!this.#first) this.#last = undefined;
  }

  #failure(
    { records = [], passThrough }: OpenEnvelope<K, V, P>,
    { errors, unsent }: Failing,
  ): ProducerFailure<K, V, P> {
    const first = errors.findIndex((error) => error !== undefined);
    const failed = unsent ? records : records.filter((_, index) => errors[index] !== undefined);
    return new FailedEnvelope(errors[first] as Error, failed, records[first] as ProducerRecord<K, V>, passThrough);
  }

  #metadata({ firstId, count, topics }: OpenEnvelope<K, V, P>): readonly RecordMetadata[] {
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

  #settle(id: number): OpenEnvelope<K, V, P> {
    const slot = id & (this.#ring.length - 1);
    const open = this.#ring[slot];
    // The slot may have a newer record by now, whose envelope must not end by the report of an older one.
    if (!open || id < open.firstId || id >= open.firstId + open.count) {
      throw new InvariantViolation(`record ${id} was reported twice`);
    }
    this.#ring[slot] = undefined;
    open.left -= 1;
    if (open.left === 0 && !this.#keepsRecords) this.#bytes -= open.bytes;
    return open;
  }

  /** Doubles the ring until `span` ids fit; every id in flight keeps its envelope. */
  #reserve(span: number): void {
    let size = this.#ring.length;
    while (size < span) size *= 2;
    if (size === this.#ring.length) return;
    const ring = new Array<OpenEnvelope<K, V, P> | undefined>(size).fill(undefined);
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
