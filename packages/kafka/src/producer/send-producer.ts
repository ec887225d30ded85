import type { DeliveryReports, OutgoingRecord, ProducerClient, ProducerListener } from "../client/port.js";
import { isFatal, KafkaConnectorError } from "../errors/errors.js";
import type { ProducerEnvelope, ProducerRecord, ProducerResult, RecordMetadata } from "../records/messages.js";
import type { ProducerSettings } from "./producer-settings.js";
import { recordBytes } from "./record-bytes.js";
import { recordEncoder } from "./record-encoder.js";
import { openShared, type SharedProducer, sharedProducer } from "./shared-producer.js";
import { parseProducer } from "../settings/parse-producer.js";

/** How long `close` waits for what was sent. */
const CLOSE_MS = 30_000;

/** What a sender takes beside the settings of a producer; its `parallelism` and `maxInFlightBytes` bound what is in flight. */
export interface WaitingSends {
  /** Sends that wait until there is room in flight; one more rejects with `SEND_QUEUE_FULL`. Default 10 000. */
  readonly maxWaiting?: number;
  /** Bytes of records that wait likewise; one send may always wait. Default 32 MB. */
  readonly maxWaitingBytes?: number;
}

export type SendSettings<K, V> = ProducerSettings<K, V> & WaitingSends;

/** One call of `send`, from its records to its promise. */
interface Send {
  /** None once the client has copies of all. */
  outgoing: readonly OutgoingRecord[];
  readonly topics: readonly string[];
  readonly bytes: number;
  readonly metadata: RecordMetadata[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  /** The id of its first record; the others follow. */
  firstId: number;
  /** How many of its records the client has taken. */
  taken: number;
  /** How many have not been reported. */
  left: number;
}

const closedError = (): KafkaConnectorError =>
  new KafkaConnectorError("PRODUCER_CLOSED", "The sender is closed. Create another with SendProducer.create().");

/**
 * Sends single records, each with a promise: for handlers of requests, which have no stream.
 *
 * A send is first in line, then in flight, then answered. Sends reach the client in the order of their calls; each promise
 * settles by its own reports, so that a partition that cannot be reached holds up no other.
 */
export class SendProducer<in K = string, in V = Buffer | null> implements AsyncDisposable {
  readonly #encode: (record: ProducerRecord<K, V>) => OutgoingRecord;
  readonly #open: (listener: ProducerListener) => ProducerClient;
  /** The client's owner, where that is this sender. */
  readonly #owned: SharedProducer | undefined;
  readonly #parallelism: number;
  readonly #maxInFlightBytes: number;
  readonly #maxWaiting: number;
  readonly #maxWaitingBytes: number;
  /** Sends with records the client has not taken yet; only the first may have begun. */
  readonly #line = new Set<Send>();
  /** By the id of each record in flight. */
  readonly #inFlight = new Map<number, Send>();
  #waitingBytes = 0;
  #inFlightBytes = 0;
  #nextId = 0;
  #client: ProducerClient | undefined;
  #connected = false;
  #closing: Promise<void> | undefined;
  #onIdle: (() => void) | undefined;

  private constructor(settings: SendSettings<K, V>) {
    const { kafka, properties, producer } = settings;
    const own = ["maxWaiting", "maxWaitingBytes"] as const;
    const { parallelism, maxInFlightBytes, maxWaiting, maxWaitingBytes } = parseProducer(settings, "SendProducer", own);
    this.#owned = kafka && sharedProducer({ kafka, ...(properties && { properties }) });
    this.#open = openShared(this.#owned ?? producer, "SendProducer");
    this.#encode = recordEncoder(settings);
    this.#parallelism = parallelism;
    this.#maxInFlightBytes = maxInFlightBytes;
    this.#maxWaiting = maxWaiting;
    this.#maxWaitingBytes = maxWaitingBytes;
  }

  /**
   * Connects with the first send, and again with the first after the client has failed. Throws `INVALID_SETTINGS`.
   * Close it, or what is in flight may be lost with the process.
   *
   * @example
   * const producer = SendProducer.create({ kafka: { brokers: "localhost:9092" }, value: string() });
   * const { partition, offset } = await producer.send({ topic: "orders", key: "7", value: "book" });
   * await producer.close();
   */
  static create<K = string, V = Buffer | null>(settings: SendSettings<K, V>): SendProducer<K, V> {
    return new SendProducer(settings);
  }

  /**
   * Resolves with the record's partition and offset once it is acknowledged. Rejects with the record's own error; with
   * `SERIALIZATION_FAILED`, `CONNECT_FAILED`, `SEND_QUEUE_FULL`, after `close` with `PRODUCER_CLOSED`, and with the
   * client's error when that ends it: then the record may or may not have been stored.
   */
  async send(record: ProducerRecord<K, V>): Promise<RecordMetadata> {
    const [metadata] = await this.#send([record]);
    return metadata as RecordMetadata;
  }

  /**
   * Resolves once every record is acknowledged, at once where there is none. Rejects as `send` does, with the first failure
   * of a record; the others may be stored all the same.
   */
  async sendEnvelope<PassThrough>(envelope: ProducerEnvelope<K, V, PassThrough>): Promise<ProducerResult<PassThrough>> {
    return { metadata: await this.#send(envelope.records), passThrough: envelope.passThrough };
  }

  /**
   * Refuses further sends, waits up to 30 s for those before, then closes; a shared producer stays open. Idempotent.
   * What is not answered by then rejects with `FLUSH_TIMEOUT`: it may or may not have been stored.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #send(records: readonly ProducerRecord<K, V>[]): Promise<readonly RecordMetadata[]> {
    return new Promise((resolve, reject) => {
      if (this.#closing) throw closedError();
      const outgoing = records.map(this.#encode);
      if (outgoing.length === 0) return resolve([]);
      const bytes = outgoing.reduce((sum, each) => sum + recordBytes(each), 0);
      const { size } = this.#line;
      if (size >= this.#maxWaiting || (size > 0 && this.#waitingBytes + bytes > this.#maxWaitingBytes))
        throw this.#fullError();
      const topics = outgoing.map(({ topic }) => topic);
      const metadata: RecordMetadata[] = [];
      const settled = { resolve: () => resolve(metadata), reject };
      this.#line.add({ outgoing, topics, bytes, metadata, ...settled, firstId: -1, taken: 0, left: outgoing.length });
      this.#waitingBytes += bytes;
      this.#connect();
      this.#advance();
    });
  }

  #connect(): void {
    if (this.#client) return;
    try {
      const client = this.#open({
        onReports: (reports) => this.#onReports(reports),
        onError: (error) => this.#end(client, error),
      });
      this.#client = client;
      client.connect().then(
        () => {
          if (this.#client !== client) return;
          this.#connected = true;
          this.#advance();
        },
        (error: unknown) => this.#end(client, error),
      );
    } catch (error) {
      this.#end(undefined, error);
    }
  }

  #advance(): void {
    const client = this.#client;
    if (!client || !this.#connected) return;
    for (const send of this.#line) {
      if (this.#client !== client) return;
      if (!this.#hasRoom(send) || !this.#give(client, send)) return;
      this.#line.delete(send);
      this.#waitingBytes -= send.bytes;
      send.outgoing = [];
      if (send.left > 0) this.#inFlightBytes += send.bytes;
    }
  }

  /** Always, if nothing is in flight or the send has begun. */
  #hasRoom({ taken, outgoing, bytes }: Send): boolean {
    const { size } = this.#inFlight;
    if (taken > 0 || size === 0) return true;
    return size + outgoing.length <= this.#parallelism && this.#inFlightBytes + bytes <= this.#maxInFlightBytes;
  }

  /** Gives the client what is left of a send; returns whether it took everything. */
  #give(client: ProducerClient, send: Send): boolean {
    if (send.taken === 0) {
      send.firstId = this.#nextId;
      this.#nextId += send.outgoing.length;
    }
    while (send.taken < send.outgoing.length) {
      try {
        const accepted = client.produceBatch(send.outgoing, send.taken, send.firstId);
        if (accepted === 0) return false;
        for (let count = 0; count < accepted; count++) this.#inFlight.set(send.firstId + send.taken++, send);
      } catch (error) {
        if (isFatal(error)) {
          this.#end(client, error);
          return false;
        }
        send.taken += 1;
        send.left -= 1;
        send.reject(error);
      }
    }
    return true;
  }

  #onReports({ length, ids, partitions, offsets, errors }: DeliveryReports): void {
    for (let index = 0; index < length; index++) {
      const id = ids[index] as number;
      const send = this.#inFlight.get(id);
      // Reported after it was given up.
      if (!send) continue;
      this.#inFlight.delete(id);
      send.left -= 1;
      if (send.left === 0) this.#inFlightBytes -= send.bytes;
      const record = id - send.firstId;
      const topic = send.topics[record] as string;
      send.metadata[record] = { topic, partition: partitions[index] as number, offset: offsets[index] as number };
      if (errors[index]) send.reject(errors[index]);
      else if (send.left === 0) send.resolve();
    }
    this.#advance();
    this.#checkIdle();
  }

  /** The client has ended: nothing that was sent will be answered, and the next send needs a new client. */
  #end(client: ProducerClient | undefined, error: unknown): void {
    if (client !== this.#client) return;
    this.#client = undefined;
    this.#connected = false;
    const unanswered = new Set([...this.#inFlight.values(), ...this.#line]);
    this.#inFlight.clear();
    this.#line.clear();
    this.#inFlightBytes = 0;
    this.#waitingBytes = 0;
    for (const send of unanswered) send.reject(error);
    void client?.close({ drop: true });
    this.#checkIdle();
  }

  #checkIdle(): void {
    if (this.#inFlight.size === 0 && this.#line.size === 0) this.#onIdle?.();
  }

  async #close(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      timer = setTimeout(resolve, CLOSE_MS);
      this.#checkIdle();
    });
    clearTimeout(timer);
    const message = `Not answered within ${CLOSE_MS} ms of closing: the record may or may not have been stored.`;
    const late = this.#inFlight.size + this.#line.size > 0;
    if (late) this.#end(this.#client, new KafkaConnectorError("FLUSH_TIMEOUT", message));
    else await this.#client?.close();
    await this.#owned?.close({ drop: late });
  }

  #fullError(): KafkaConnectorError {
    return new KafkaConnectorError(
      "SEND_QUEUE_FULL",
      `${this.#line.size} sends of ${this.#waitingBytes} bytes wait already (maxWaiting, maxWaitingBytes), behind ${this.#inFlight.size} records in flight. Await earlier sends first, or send through a stream, which is held back.`,
      { retriable: true },
    );
  }
}
