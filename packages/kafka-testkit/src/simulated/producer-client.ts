import { crc32 } from "node:zlib";
import type { ClientProperties, OutgoingRecord, ProducerClient, ProducerListener } from "@millrace/kafka";
import type { Cancellable } from "@millrace/streams";
import type { ClientHost, SimulatedClient } from "./client-host.js";
import { clientIdOf } from "./consumer-settings.js";
import { CODE, type Simulation } from "./simulation.js";
import { keyOf } from "./topics.js";

/** As the default of the node-rdkafka driver. */
const MAX_QUEUED = 10_000;
/** As librdkafka's default for `message.max.bytes`. */
const MAX_BYTES = 1_000_000;
/** How long `close` waits for reports. */
const CLOSE_MS = 30_000;

/** Records of one call for one partition: stored, acknowledged or failed together. */
interface Request {
  readonly topic: string;
  readonly partition: number;
  readonly ids: number[];
  readonly records: OutgoingRecord[];
}

/**
 * A producer of the simulated cluster. Requests of a partition are stored and answered in order; those of different
 * partitions overtake each other.
 */
export class SimulatedProducer implements ProducerClient, SimulatedClient {
  readonly clientId: string;
  readonly #host: ClientHost;
  readonly #simulation: Simulation;
  readonly #listener: ProducerListener;
  readonly #maxQueued: number;
  readonly #maxBytes: number;
  /** Topics a record was refused for: the next is refused at once. */
  readonly #missing = new Set<string>();
  /** Requests of each partition that have not reached the broker. */
  readonly #unsent = new Map<string, Request[]>();
  readonly #answersDue = new Map<string, number>();
  #drained: (() => void)[] = [];
  #outstanding = 0;
  #connected = false;
  /** It hears and reports nothing more: killed, or closed. */
  #deaf = false;
  #closing: Promise<void> | undefined;

  constructor(host: ClientHost, properties: ClientProperties, listener: ProducerListener) {
    this.clientId = clientIdOf(properties);
    this.#host = host;
    this.#simulation = host.simulation;
    this.#listener = listener;
    this.#maxQueued = Number(properties["queue.buffering.max.messages"] ?? MAX_QUEUED);
    this.#maxBytes = Number(properties["message.max.bytes"] ?? MAX_BYTES);
  }

  get outstanding(): number {
    return this.#outstanding;
  }

  connect(): Promise<void> {
    if (this.#closing) return Promise.reject(this.#closedError());
    return new Promise((resolve) => {
      this.#simulation.request(this.#simulation.faults.latencyMs, () => {
        this.#connected = true;
        resolve();
      });
    });
  }

  produceBatch(records: readonly OutgoingRecord[], from: number, firstId: number): number {
    if (this.#closing) throw this.#closedError();
    if (!this.#connected) {
      throw this.#simulation.error("PRODUCE_FAILED", "The producer is not connected. Await connect() first.");
    }
    const end = Math.min(records.length, from + this.#room(records.length - from));
    const requests = new Map<string, Request>();
    let index = from;
    for (; index < end; index++) {
      const record = records[index] as OutgoingRecord;
      const fault = this.#faultOf(record);
      if (fault && index === from) throw fault;
      if (fault) break;
      const partition = record.partition ?? this.#partitionOf(record);
      const key = keyOf({ topic: record.topic, partition });
      let request = requests.get(key);
      if (!request) requests.set(key, (request = { topic: record.topic, partition, ids: [], records: [] }));
      request.ids.push(firstId + index);
      request.records.push(record);
    }
    this.#outstanding += index - from;
    if (!this.#deaf) for (const [key, request] of requests) this.#send(key, request);
    return index - from;
  }

  async flush(timeoutMs: number): Promise<void> {
    await this.#drain(timeoutMs);
    if (this.#outstanding > 0 && !this.#deaf) {
      throw this.#simulation.retriable(
        "FLUSH_TIMEOUT",
        `${this.#outstanding} records were not reported within ${timeoutMs} ms. Flush again, or close with drop.`,
      );
    }
  }

  close(options: { readonly drop?: boolean } = {}): Promise<void> {
    if (options.drop === true) this.#abandon();
    this.#closing ??= this.#close();
    return this.#closing;
  }

  kill(): void {
    if (this.#deaf) return;
    this.#simulation.event(`${this.clientId}: producer killed`);
    this.#abandon();
  }

  onOutage(error: Error): void {
    if (this.#connected && !this.#deaf) this.#listener.onError(error);
  }

  async #close(): Promise<void> {
    await this.#drain(CLOSE_MS);
    const lost = this.#deaf ? 0 : this.#outstanding;
    this.#abandon();
    this.#host.remove(this);
    if (lost > 0) {
      throw this.#simulation.error(
        "FLUSH_TIMEOUT",
        `The producer closed with ${lost} records unreported. Flush first.`,
      );
    }
  }

  /** Of what has not reached the broker, some is on its way and arrives; what follows it never does. */
  #abandon(): void {
    if (this.#deaf) return;
    this.#deaf = true;
    for (const requests of this.#unsent.values()) requests.splice(this.#simulation.random.int(0, requests.length));
    this.#resumeDrained();
  }

  #room(wanted: number): number {
    const room = Math.min(wanted, this.#maxQueued - this.#outstanding);
    const { random, faults } = this.#simulation;
    // With nothing outstanding no report would follow on which to call again.
    if (room <= 0 || this.#outstanding === 0 || !random.happens(faults.partialAcceptRate)) return Math.max(0, room);
    return random.int(0, room);
  }

  #faultOf(record: OutgoingRecord): Error | undefined {
    const reason = invalidity(record);
    if (reason !== undefined) return this.#simulation.error("INVALID_RECORD", `A record can never be sent: ${reason}.`);
    const { topic, partition, key, value } = record;
    if ((key?.length ?? 0) + (value?.length ?? 0) > this.#maxBytes) {
      return this.#simulation.error(
        "INVALID_RECORD",
        `A record is larger than ${this.#maxBytes} bytes. Send smaller ones, or raise message.max.bytes.`,
        CODE.tooLarge,
      );
    }
    const count = this.#host.topics.partitionsOf(topic);
    // Whether a topic exists the client learns only when it has asked for it.
    if (count === 0 && !this.#missing.has(topic)) return undefined;
    if (count === 0) {
      return this.#simulation.error("INVALID_RECORD", `There is no topic ${topic}. Create it.`, CODE.unknownTopic);
    }
    if (partition !== undefined && partition >= count) {
      return this.#simulation.error(
        "INVALID_RECORD",
        `Topic ${topic} has ${count} partitions and none of number ${partition}. Leave the choice to the partitioner.`,
        CODE.unknownPartition,
      );
    }
    return undefined;
  }

  /** As librdkafka's default: by hash of the key, and anywhere without one. */
  #partitionOf({ topic, key }: OutgoingRecord): number {
    const count = this.#host.topics.partitionsOf(topic);
    if (count === 0) return -1;
    return key === null || key.length === 0 ? this.#simulation.random.int(0, count - 1) : crc32(key) % count;
  }

  /** Every request of a partition has a timer of its own, which sends the first that waits: so none overtakes. */
  #send(key: string, request: Request): void {
    let unsent = this.#unsent.get(key);
    if (!unsent) this.#unsent.set(key, (unsent = []));
    unsent.push(request);
    this.#simulation.request(this.#simulation.faults.appendDelayMs, () => {
      const next = this.#unsent.get(key)?.shift();
      if (next) this.#arrive(key, next);
    });
  }

  #arrive(key: string, request: Request): void {
    const { random, faults } = this.#simulation;
    if (this.#host.topics.partitionsOf(request.topic) === 0)
      return this.#answerLater(key, request, -1, this.#unknown(request.topic));
    if (random.happens(faults.produceErrorRate)) {
      this.#simulation.event(`${this.clientId}: ${request.ids.length} records for ${key} refused`);
      return this.#answerLater(key, request, -1, this.#failure(key, "and are not stored"));
    }
    const first = this.#host.topics.append(
      request,
      request.records.map((record) => this.#stored(record)),
    ) as number;
    this.#simulation.event(`${this.clientId}: ${request.ids.length} records stored in ${key} from ${first} on`);
    if (random.happens(faults.ackLossRate)) this.#answerLater(key, request, -1, this.#failure(key, "but are stored"));
    else this.#answerLater(key, request, first, undefined);
  }

  #unknown(topic: string): Error {
    this.#missing.add(topic);
    return this.#simulation.error("PRODUCE_FAILED", `There is no topic ${topic}. Create it.`, CODE.missingTopic);
  }

  #stored({ key, value, headers, timestamp }: OutgoingRecord) {
    return { key, value, headers: headers ?? [], timestamp: timestamp ?? Math.floor(this.#simulation.clock.now()) };
  }

  #failure(key: string, what: string): Error {
    return this.#simulation.error(
      "PRODUCE_FAILED",
      `Records for ${key} timed out ${what}. Check that the brokers are reachable.`,
      CODE.messageTimedOut,
    );
  }

  #answerLater(key: string, request: Request, first: number, error: Error | undefined): void {
    const now = this.#simulation.clock.now();
    const due = Math.max(
      this.#answersDue.get(key) ?? 0,
      now + this.#simulation.draw(this.#simulation.faults.ackDelayMs),
    );
    this.#answersDue.set(key, due);
    this.#answerAt(due, request, first, error);
  }

  #answerAt(due: number, request: Request, first: number, error: Error | undefined): Cancellable {
    return this.#simulation.schedule(due - this.#simulation.clock.now(), () => {
      const left = this.#simulation.outageLeftMs;
      if (left > 0) this.#answerAt(this.#simulation.clock.now() + left, request, first, error);
      else this.#report(request, first, error);
    });
  }

  #report({ ids, partition }: Request, first: number, error: Error | undefined): void {
    if (this.#deaf) return;
    this.#outstanding -= ids.length;
    if (this.#outstanding === 0) this.#resumeDrained();
    this.#listener.onReports({
      length: ids.length,
      ids,
      partitions: ids.map(() => partition),
      offsets: ids.map((_, index) => (error ? -1 : first + index)),
      errors: ids.map(() => error),
    });
  }

  /** Waits until everything is reported, or the time is over. */
  async #drain(timeoutMs: number): Promise<void> {
    if (this.#outstanding === 0 || this.#deaf) return;
    let timer: Cancellable | undefined;
    await new Promise<void>((resolve) => {
      this.#drained.push(resolve);
      timer = this.#simulation.schedule(timeoutMs, resolve);
    });
    timer?.cancel();
  }

  #resumeDrained(): void {
    for (const resume of this.#drained.splice(0)) resume();
  }

  #closedError(): Error {
    return this.#simulation.error("PRODUCER_CLOSED", "The producer is closed. Make a new one.");
  }
}

const isBytes = (bytes: unknown): boolean => bytes === null || bytes instanceof Uint8Array;

const isNatural = (number: number): boolean => Number.isSafeInteger(number) && number >= 0;

/** Why no broker would be asked to store it. */
const invalidity = ({ topic, partition, key, value, timestamp }: OutgoingRecord): string | undefined => {
  if (topic === "") return "its topic is not a name";
  if (!isBytes(key) || !isBytes(value)) return "a key or value is neither a Buffer nor null; serialize it first";
  if (partition !== undefined && !isNatural(partition)) return "its partition is not a natural number";
  if (timestamp !== undefined && !isNatural(timestamp)) return "its timestamp is not in milliseconds since 1970";
  return undefined;
};
