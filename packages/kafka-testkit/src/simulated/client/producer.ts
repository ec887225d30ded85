import type {
  ClientProperties,
  OutgoingRecord,
  ProducerClient,
  ProducerListener,
  ProducerTransactions,
} from "@millrace/kafka";
import type { Cancellable } from "@millrace/streams";
import type { ClientHost, SimulatedClient } from "./client-host.js";
import { clientIdOf } from "./consumer-settings.js";
import type { PartitionLog } from "../broker/log.js";
import { Partitioner } from "./partitioner.js";
import { type ProduceRequest, ProduceRequests } from "./produce-requests.js";
import { SimulatedTransactions } from "./producer-transactions.js";
import { CODE, type Simulation } from "../simulation.js";
import { keyOf } from "../broker/topics.js";

/** As the default of the node-rdkafka driver. */
const MAX_QUEUED = 10_000;
/** As librdkafka's default for `message.max.bytes`. */
const MAX_BYTES = 1_000_000;
/** How long `close` waits for reports. */
const CLOSE_MS = 30_000;
/** How long a transaction may be open, by default. */
const TRANSACTION_MS = 60_000;

/** A producer of the simulated cluster: what it is given, and what it has not reported yet. */
export class SimulatedProducer implements ProducerClient, SimulatedClient {
  readonly clientId: string;
  readonly #host: ClientHost;
  readonly #simulation: Simulation;
  readonly #listener: ProducerListener;
  readonly #maxQueued: number;
  readonly #maxBytes: number;
  /** Topics a record was refused for: the next is refused at once. */
  readonly #missing = new Set<string>();
  readonly #partitioner: Partitioner;
  readonly #requests: ProduceRequests;
  readonly #transactional: SimulatedTransactions | undefined;
  readonly transactions?: ProducerTransactions;
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
    const { simulation, topics } = host;
    this.#partitioner = new Partitioner(simulation, topics, properties);
    const transactional = properties["transactional.id"];
    this.#transactional = transactional === undefined ? undefined : this.#transact(String(transactional), properties);
    if (this.#transactional) this.transactions = this.#transactional;
    this.#requests = new ProduceRequests(
      {
        clientId: this.clientId,
        simulation,
        topics,
        write: (log, records) =>
          this.#transactional ? this.#transactional.write(log, records) : this.#append(log, records),
        missing: (topic) => void this.#missing.add(topic),
        report: (request, first, error) => this.#report(request, first, error),
      },
      properties,
    );
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
    this.#transactional?.requireOpen();
    const end = Math.min(records.length, from + this.#room(records.length - from));
    const requests = new Map<string, ProduceRequest>();
    let index = from;
    for (; index < end; index++) {
      const record = records[index] as OutgoingRecord;
      const fault = this.#faultOf(record);
      if (fault && index === from) throw fault;
      if (fault) break;
      const partition = record.partition ?? this.#partitioner.partitionOf(record);
      const key = keyOf({ topic: record.topic, partition });
      let request = requests.get(key);
      if (!request) requests.set(key, (request = { topic: record.topic, partition, ids: [], records: [] }));
      request.ids.push(firstId + index);
      request.records.push(record);
    }
    this.#outstanding += index - from;
    if (!this.#deaf) for (const request of requests.values()) this.#requests.send(request);
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
    await this.#transactional?.settled();
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

  #abandon(): void {
    if (this.#deaf) return;
    this.#deaf = true;
    this.#requests.abandon();
    this.#transactional?.kill();
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
    const count = this.#partitioner.countOf(topic);
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

  #append(log: PartitionLog, records: Parameters<PartitionLog["append"]>[0]): number {
    const first = log.append(records);
    this.#host.topics.changed();
    return first;
  }

  #transact(transactionalId: string, properties: ClientProperties): SimulatedTransactions {
    return new SimulatedTransactions({
      simulation: this.#simulation,
      coordinator: this.#host.transactions,
      transactionalId,
      timeoutMs: Number(properties["transaction.timeout.ms"] ?? TRANSACTION_MS),
      drain: async (timeoutMs) => {
        await this.#drain(timeoutMs);
        return this.#outstanding === 0;
      },
      purge: () => this.#requests.purge(),
      requireOpen: () => {
        if (this.#closing) throw this.#closedError();
        if (!this.#connected) {
          throw this.#simulation.error("PRODUCE_FAILED", "The producer is not connected. Await connect() first.");
        }
      },
      onFatal: (error) => this.#listener.onError(error),
    });
  }

  #report({ ids, partition }: ProduceRequest, first: number, error: Error | undefined): void {
    if (this.#deaf) return;
    if (error) this.#transactional?.onFailed(error);
    this.#outstanding -= ids.length;
    if (this.#outstanding === 0) this.#resumeDrained();
    this.#listener.onReports({
      length: ids.length,
      ids,
      partitions: ids.map(() => partition),
      offsets: ids.map((_, index) => (first < 0 ? -1 : first + index)),
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
  // As librdkafka, which takes 0 for the present time.
  if (timestamp !== undefined && !(isNatural(timestamp) && timestamp > 0)) {
    return `its timestamp is ${timestamp}, and can be a whole number of milliseconds since 1970 from 1 on`;
  }
  return undefined;
};
