import type { Logger } from "@millrace/streams";
import { AsyncPull, type Chunk, isFailure, type Pull, type Run, type Stage, textOf } from "@millrace/streams/stage";
import type { DeliveryReports, OutgoingRecord, ProducerClient, ProducerListener } from "../client/port.js";
import { RepeatedErrors } from "../client/repeated-errors.js";
import { isFatal } from "../errors/errors.js";
import { failureLogOf } from "../logging/failure-log.js";
import type { ProducerEnvelope, ProducerFailure, ProducerRecord, ProducerResult } from "../records/messages.js";
import { PulledBytes } from "./pulled-bytes.js";
import { recordBytes } from "./record-bytes.js";
import { InFlightRecords } from "./in-flight-records.js";

export interface DeliveryOptions<in K, in V, in P> {
  readonly name: string;
  /** Makes the client, or takes a share of one. */
  readonly open: (listener: ProducerListener) => ProducerClient;
  readonly logger: Logger;
  /** Records sent, or waiting to be sent, whose envelope has not been answered, and results waiting for downstream. */
  readonly parallelism: number;
  /** Of encoded records that are not acknowledged. */
  readonly maxInFlightBytes: number;
  readonly encode: (record: ProducerRecord<K, V>) => OutgoingRecord;
  /** What a record that fails does: fail the stream, after its decider was asked, or leave as an element. */
  readonly failures: "stream" | "element";
  /** Called when supervision drops an envelope with a failed record. */
  readonly onDropped?: (passThrough: P) => void;
}

/** What leaves the stage for one envelope. */
export type Delivery<K, V, P> = ProducerResult<P> | ProducerFailure<K, V, P>;

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(textOf(error)));

/**
 * Sends envelopes and emits each, in input order, once all its records are acknowledged (I9). A full client queue is
 * backpressure: what it does not take waits for the next reports.
 */
class DeliveryReportsPull<K, V, P> extends AsyncPull<ProducerEnvelope<K, V, P>, Delivery<K, V, P>> {
  readonly #run: Run;
  readonly #options: DeliveryOptions<K, V, P>;
  readonly #client: ProducerClient;
  readonly #inFlight: InFlightRecords<K, V, P>;
  readonly #pulled: PulledBytes;
  readonly #errors: RepeatedErrors;
  #connected = false;
  #input: Chunk<ProducerEnvelope<K, V, P>> = [];
  #next = 0;
  #outgoing: OutgoingRecord[] = [];
  #firstId = 0;
  #sent = 0;
  #upstreamError: { readonly error: unknown } | undefined;

  constructor(upstream: Pull<ProducerEnvelope<K, V, P>>, run: Run, options: DeliveryOptions<K, V, P>) {
    super(upstream, run);
    this.#run = run;
    this.#options = options;
    const { parallelism, maxInFlightBytes, failures, onDropped } = options;
    this.#inFlight = new InFlightRecords(parallelism, maxInFlightBytes, failures === "element", onDropped);
    this.#pulled = new PulledBytes(maxInFlightBytes, run.limitChunks());
    this.#errors = new RepeatedErrors(options.logger, "kafka producer: client error", () => run.clock.now());
    this.#client = options.open({
      onReports: (reports) => this.#onReports(reports),
      onError: (error) => this.#onError(error),
    });
    this.#client.connect().then(
      () => {
        this.#connected = true;
        this.poke();
      },
      (error: unknown) => this.fail(error),
    );
    run.onEnd(() => this.#client.close());
    failureLogOf(run, options.logger, {});
  }

  protected advance(): void {
    this.collect();
    if (!this.#connected) return;
    while (!this.stopped && this.#send() && this.ready.length < this.#options.parallelism) {
      if (this.#next === this.#input.length) {
        const chunk = this.take();
        if (!chunk) break;
        this.#input = chunk;
        this.#next = 0;
      }
      if (!this.#prepare()) break;
      this.collect();
    }
    if (this.upstreamDone && this.#isEmpty()) this.#finish();
  }

  protected override collect(): void {
    this.#inFlight.collect(this.ready);
  }

  /** Encodes as much of the input as may be in flight; returns whether there was room for any. */
  #prepare(): boolean {
    this.#outgoing = [];
    this.#sent = 0;
    this.#firstId = this.#inFlight.nextId;
    const from = this.#next;
    let bytes = 0;
    while (this.#next < this.#input.length && !this.stopped) {
      const envelope = this.#input[this.#next] as ProducerEnvelope<K, V, P>;
      if (!this.#inFlight.hasRoom(envelope.records.length, this.ready.length)) break;
      this.#next += 1;
      bytes += this.#encode(envelope);
    }
    const elements = this.#next - from;
    if (elements > 0) this.#pulled.saw(elements, bytes);
    return elements > 0;
  }

  /** Returns the bytes that are to be sent. */
  #encode(envelope: ProducerEnvelope<K, V, P>): number {
    const before = this.#outgoing.length;
    let bytes = 0;
    try {
      for (const record of envelope.records) {
        const outgoing = this.#options.encode(record);
        this.#outgoing.push(outgoing);
        bytes += recordBytes(outgoing);
      }
    } catch (error) {
      const index = this.#outgoing.length - before;
      this.#outgoing.length = before;
      if (this.#options.failures === "element") this.#inFlight.addFailed(envelope, index, asError(error));
      else if (this.#goesOn(error)) this.#options.onDropped?.(envelope.passThrough);
      return 0;
    }
    this.#inFlight.add(envelope, bytes);
    return bytes;
  }

  /** Hands the client what it takes; returns whether it took everything. */
  #send(): boolean {
    while (this.#sent < this.#outgoing.length) {
      try {
        const accepted = this.#client.produceBatch(this.#outgoing, this.#sent, this.#firstId);
        if (accepted === 0) return false;
        this.#sent += accepted;
      } catch (error) {
        this.#settle(this.#firstId + this.#sent, -1, -1, error);
        this.#sent += 1;
        if (this.stopped) return false;
      }
    }
    // The client has copies.
    this.#outgoing = [];
    this.#sent = 0;
    return true;
  }

  #onReports(reports: DeliveryReports): void {
    try {
      for (let index = 0; index < reports.length && !this.stopped; index++) {
        this.#settle(
          reports.ids[index] as number,
          reports.partitions[index] as number,
          reports.offsets[index] as number,
          reports.errors[index],
        );
      }
    } catch (error) {
      // An impossible report is the client's bug or ours; thrown here it would end the process, not the stream.
      this.fail(error);
    }
    this.pokeSoon();
  }

  #settle(id: number, partition: number, offset: number, error: unknown): void {
    if (error === undefined) {
      this.#inFlight.acknowledge(id, partition, offset);
      return;
    }
    // A client that ended sends nothing more, so going on would fail or drop every record to come.
    if (isFatal(error)) this.fail(error);
    else if (this.#options.failures === "element") this.#inFlight.fail(id, asError(error));
    else if (this.#goesOn(error)) this.#inFlight.drop(id);
  }

  /** Whether supervision says to go on without the envelope; otherwise the stage has failed. */
  #goesOn(error: unknown): boolean {
    const decision = this.#run.decide(error);
    if (typeof decision === "object") this.fail(decision.error);
    return typeof decision !== "object";
  }

  protected override upstreamFailed(error: unknown): void {
    this.#upstreamError = { error };
  }

  #isEmpty(): boolean {
    return this.#inFlight.isEmpty && this.#next === this.#input.length;
  }

  #finish(): void {
    if (this.#upstreamError && !this.stopped) this.fail(this.#upstreamError.error);
    else this.#close(false);
  }

  protected drained(): boolean {
    return this.#isEmpty() && this.#upstreamError === undefined;
  }

  protected override idle(): boolean {
    return this.drained();
  }

  #onError(error: Error): void {
    if (isFatal(error)) this.fail(error);
    else this.#errors.warn(error);
  }

  /** After a failed send the client's queue is dropped, so nothing overtakes; cancelled or completed, it is flushed. */
  protected override onClose(cause: unknown): void {
    const drop = isFailure(cause) && cause !== this.#upstreamError?.error;
    this.#close(drop);
  }

  #close(drop: boolean): void {
    this.#client
      .close({ drop })
      .catch((error: unknown) => this.#options.logger.error("kafka producer: closing failed", { error }));
  }
}

export const deliveryReports = <K, V, P>(
  options: DeliveryOptions<K, V, P>,
): Stage<ProducerEnvelope<K, V, P>, Delivery<K, V, P>> => ({
  name: options.name,
  traits: { order: "kept", elements: "kept" },
  create: (upstream, run) => new DeliveryReportsPull<K, V, P>(upstream, run, options),
});
