import type { Logger } from "@millrace/streams";
import {
  type Chunk,
  ChunkSize,
  DONE,
  type Pull,
  type Pulled,
  type Run,
  soon,
  WAIT,
  type Wake,
} from "@millrace/streams/stage";
import { DecoderUnavailableError } from "../../errors/decoder-unavailable-error.js";
import { DeserializationError } from "../../errors/deserialization-error.js";
import type { DeadLetters } from "../../settings/dead-letter-settings.js";
import type { OffsetOwner } from "../../offsets/committable-offset.js";
import type { ConsumerSession } from "../consumer-session.js";
import { hearingPromises } from "./left-promises.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";
import { isRawKept } from "./raw-records.js";
import { rawRecord, type RecordReader } from "./record-reader.js";
import type { Delivery } from "../reading/turns.js";

export interface RecordOutletOptions<out A> {
  readonly session: ConsumerSession;
  readonly reader: RecordReader<A>;
  readonly run: Run;
  readonly logger: Logger;
  /** At most `records` records that may be delivered here now. */
  readonly take: (records: number) => readonly Delivery[];
  /** The partitions whose records leave here. */
  readonly partitions: () => Iterable<OwnedPartition>;
  /** A record could not be decoded, which fails the stream. */
  readonly onFailure: () => void;
  /** Nothing more is wanted, and what is in flight will not end. */
  readonly onCancel: (cause: unknown) => void;
}

/** Where records leave a session: all of them, or those of one partition. */
export class RecordOutlet<A> implements Pull<A> {
  readonly #options: RecordOutletOptions<A>;
  readonly #size: ChunkSize;
  /** Called when records leave. */
  onDelivery: (() => void) | undefined;
  #wake: Wake | undefined;
  #wakeScheduled = false;
  /** What was handed over last may still be at work: it was not asked for more. */
  #given = false;
  /** A decoder has left a promise that rejected. */
  #hasLeft = false;
  #ended = false;
  #cancelled = false;
  #failure: { readonly error: unknown } | undefined;
  /** Whether records are kept as they came; known once every stage has been made. */
  #raw: boolean | undefined;

  constructor(options: RecordOutletOptions<A>) {
    this.#options = options;
    this.#size = new ChunkSize(options.run);
  }

  /** There may be something to take. Wakes later, because a claim may end while downstream is at work. */
  notify(): void {
    if (!this.#wake || this.#wakeScheduled) return;
    this.#wakeScheduled = true;
    soon(() => {
      this.#wakeScheduled = false;
      const wake = this.#wake;
      this.#wake = undefined;
      wake?.();
    });
  }

  complete(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.notify();
  }

  pull(wake: Wake): Pulled<A> {
    if (this.#failure) throw this.#failure.error;
    const { session, take } = this.#options;
    while (!this.#ended) {
      const deliveries = take(this.#size.next());
      if (deliveries.length === 0) {
        if (session.failure) {
          this.#failure = session.failure;
          this.#options.onFailure();
          throw session.failure.error;
        }
        this.#wake = wake;
        this.#given = false;
        return WAIT;
      }
      const elements = this.#read(deliveries);
      if (elements.length > 0) {
        this.#size.gave(elements.length);
        this.#given = true;
        this.onDelivery?.();
        return elements;
      }
      if (this.#failure) throw (this.#failure as { readonly error: unknown }).error;
    }
    this.#given = false;
    return DONE;
  }

  get owner(): OffsetOwner {
    return this.#options.session.commits;
  }

  get hasUnfinished(): boolean {
    for (const { ledger } of this.#options.partitions()) if (ledger.inFlight > 0) return true;
    return false;
  }

  /** No stage between here and the committer holds anything: once the stream asks for more, nothing is on its way. */
  discardUnfinished(): void {
    if (this.#given || this.#cancelled || this.#failure) return;
    this.#options.session.commits.discardUnfinished(this.#options.partitions());
  }

  cancel(cause: unknown): void {
    this.#ended = true;
    this.#cancelled = true;
    this.#wake = undefined;
    this.#options.onCancel(cause);
  }

  get #keepsRaw(): boolean {
    this.#raw ??= isRawKept(this.#options.run);
    return this.#raw;
  }

  #read(deliveries: readonly Delivery[]): Chunk<A> {
    const decode = (): Chunk<A> => this.#decode(deliveries);
    const elements = this.#options.reader.callsOthers
      ? hearingPromises(decode, (error) => this.#onPromiseLeft(error))
      : decode();
    if (this.#failure) this.#options.onFailure();
    return elements;
  }

  #onPromiseLeft(error: unknown): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    this.#options.logger.warn(
      "kafka consumer: a promise has rejected that was made while records were decoded. Decode and validate synchronously; further ones are not logged",
      { error },
    );
  }

  #decode(deliveries: readonly Delivery[]): Chunk<A> {
    const { reader, run, session } = this.#options;
    const elements: A[] = [];
    const now = run.clock.now();
    for (const delivery of deliveries) {
      const { from, to, fetched } = delivery.run;
      const read = this.#readRun(delivery, now, elements);
      if (this.#failure) return elements;
      if (read < to) fetched.split();
      fetched.done({ from, to: read }, reader.keepsBytes || this.#keepsRaw);
    }
    session.taken();
    return elements;
  }

  /** Returns the index of the first record that was not read; without a failure that one comes again. */
  #readRun(delivery: Delivery, now: number, elements: A[]): number {
    const { reader, session } = this.#options;
    const { from, to } = delivery.run;
    let index = from;
    const hopeless = session.letters.hopeless(delivery);
    if (hopeless && this.#supervise(delivery, index++, now, hopeless.error) === "failed") return from;
    for (; index < to; index++) {
      try {
        if (!reader.isFinished(delivery, index, now))
          elements.push(reader.read(delivery, index, now, session, this.#keepsRaw));
      } catch (error) {
        if (this.#undecoded(delivery, index, now, error) !== "passed") return index;
      }
    }
    return to;
  }

  /** What becomes of a record that could not be decoded. */
  #undecoded(delivery: Delivery, index: number, now: number, error: unknown): "passed" | "put off" | "failed" {
    const { reader, session } = this.#options;
    if (error instanceof DecoderUnavailableError) {
      session.putOff(delivery, index, error);
      return "put off";
    }
    const { undecodable } = session;
    if (!(error instanceof DeserializationError) || typeof undecodable === "string")
      return this.#supervise(delivery, index, now, error);
    if (undecodable.kind === "deadLetters") {
      this.#park(delivery, index, error, undecodable);
      return "put off";
    }
    session.discarded(undecodable.reason, error);
    reader.skip(delivery, index, now, "discarded");
    return "passed";
  }

  #park({ owned, run }: Delivery, index: number, error: unknown, options: DeadLetters): void {
    const { reader, session, run: stream } = this.#options;
    const record = rawRecord(run, index);
    owned.buffer.putOff(run, index, "parking");
    const passOver = (): void => {
      // Nothing waits any more where the stream has ended, or the partition is gone.
      const first = owned.take(1);
      if (!first) return;
      reader.skip({ owned, run: first }, first.from, stream.clock.now(), "parked");
      first.fetched.done(first, reader.keepsBytes || this.#keepsRaw);
      session.taken();
    };
    session.letters.park(owned, record, { error, options, passOver });
  }

  #supervise(delivery: Delivery, index: number, now: number, error: unknown): "passed" | "failed" {
    const decision = this.#options.run.decide(error);
    if (typeof decision === "object") {
      this.#failure = decision;
      return "failed";
    }
    this.#options.reader.skip(delivery, index, now, "discarded");
    return "passed";
  }
}

/** The outlet that a stage is fed by, where every stage between them has handed on or dropped all that it was given. */
export const outletBehind = (stage: Pull<unknown>): RecordOutlet<unknown> | undefined => {
  for (let at: Pull<unknown> | undefined = stage; at; at = at.passed?.()) if (at instanceof RecordOutlet) return at;
  return undefined;
};
