import type {
  ClientProperties,
  ConsumerListener,
  KafkaDriver,
  ProducerListener,
  TopicPartition,
  TopicPartitionOffset,
} from "@millrace/kafka";
import type { Clock } from "@millrace/streams";
import { KafkaTestkitError } from "../errors.js";
import type { ClientHost, SimulatedClient } from "./client-host.js";
import { SimulatedConsumer } from "./consumer-client.js";
import type { SimulatedFaults } from "./faults.js";
import { GroupCoordinator } from "./group-coordinator.js";
import { SimulatedProducer } from "./producer-client.js";
import { CODE, Simulation } from "./simulation.js";
import { keyOf, type StoredRecord, Topics } from "./topics.js";

export interface SimulatedKafkaOptions {
  /** From which every choice is drawn; it is named in every error. */
  readonly seed: number;
  /** All delays pass on it. Use a virtual one, and give the same one to the runs of the streams. */
  readonly clock: Clock;
  /** Default: short delays, and nothing fails. */
  readonly faults?: Partial<SimulatedFaults>;
  /** Called with each event, with its time first: two runs of one seed call it with the same texts. */
  readonly onEvent?: (event: string) => void;
}

/** What `append` takes; text stands for its UTF-8 bytes. */
export interface AppendedRecord {
  readonly key?: string | Buffer | null;
  readonly value?: string | Buffer | null;
}

/**
 * A Kafka cluster in memory behind the client port, whose every choice is drawn from a seed.
 *
 * It simulates topics, producers with delayed, overtaking, lost and failing acknowledgements, consumers, and groups with
 * the classic protocol: eager and cooperative assignors, static members, session and poll timeouts, generations. It knows
 * no transactions, no KIP-848 groups, no retention and no growing topics. Node's own timers are beyond its clock. It has
 * not been validated against a real broker yet: a pipeline that holds here still wants its test on one.
 */
export class SimulatedKafka {
  readonly seed: number;
  readonly driver: KafkaDriver;
  readonly #simulation: Simulation;
  readonly #topics = new Topics();
  readonly #groups = new Map<string, GroupCoordinator>();
  readonly #clients = new Set<SimulatedClient>();

  constructor(options: SimulatedKafkaOptions) {
    this.seed = options.seed;
    this.#simulation = new Simulation(options.seed, options.clock, options.faults ?? {}, options.onEvent);
    this.driver = {
      name: "simulated",
      commitsMetadata: true,
      consumer: (properties, listener) => this.#consumer(properties, listener),
      producer: (properties, listener) => this.#producer(properties, listener),
    };
  }

  /** Groups that read it rebalance. Fails with `REQUEST_FAILED` where it exists. */
  createTopic(topic: string, partitions: number): void {
    if (!this.#topics.create(topic, partitions)) {
      throw new KafkaTestkitError("REQUEST_FAILED", `Topic ${topic} exists. Use another name (seed ${this.seed}).`);
    }
    for (const group of this.#groups.values()) group.topicCreated(topic);
  }

  /** Everything that was ever stored in the partition, in order. */
  records(topic: string, partition: number): readonly StoredRecord[] {
    const log = this.#topics.log(topic, partition);
    if (log) return log;
    throw this.#noPartition({ topic, partition });
  }

  /** Stores records at once, without a producer and without delay. */
  append(topic: string, partition: number, ...records: readonly AppendedRecord[]): void {
    const stored = records.map(({ key, value }) => ({
      key: bytesOf(key),
      value: bytesOf(value),
      headers: [],
      timestamp: Math.floor(this.#simulation.clock.now()),
    }));
    if (this.#topics.append({ topic, partition }, stored) === undefined) throw this.#noPartition({ topic, partition });
  }

  /** The positions the group has committed; partitions without one are left out. */
  committed(groupId: string): readonly TopicPartitionOffset[] {
    return this.#groups.get(groupId)?.allCommitted ?? [];
  }

  /** What the group has assigned to each member, and how often it has rebalanced. */
  group(groupId: string): {
    readonly generation: number;
    readonly assignments: ReadonlyMap<string, readonly TopicPartition[]>;
  } {
    const { generation = 0, assignments = new Map() } = this.#groups.get(groupId) ?? {};
    return { generation, assignments };
  }

  /** The faults from now on; those not named stay as they are. */
  setFaults(faults: Partial<SimulatedFaults>): void {
    this.#simulation.faults = { ...this.#simulation.faults, ...faults };
  }

  /**
   * Ends all clients with this `client.id` as if their process had died: nothing is committed, nobody leaves, and nothing
   * they still do reaches the cluster, but for what is on its way. Close them afterwards to let their polls end.
   */
  kill(clientId: string): void {
    for (const client of this.#clients) if (client.clientId === clientId) client.kill();
  }

  /** Its group forgets the consumer, as after a network failure; it learns of it and loses its partitions. */
  expire(clientId: string): void {
    for (const client of this.#clients) if (client.clientId === clientId) client.expire?.();
  }

  /** All brokers are unreachable for so long: requests wait, nothing is fetched, and every client hears an error. */
  outage(ms: number): void {
    this.#simulation.event(`outage of ${ms} ms`);
    this.#simulation.startOutage(ms);
    const error = this.#simulation.error("CLIENT_FAILED", `No broker is reachable for ${ms} ms.`, CODE.transport);
    for (const client of [...this.#clients]) client.onOutage(error);
  }

  #consumer(properties: ClientProperties, listener: ConsumerListener): SimulatedConsumer {
    return this.#add(new SimulatedConsumer(this.#host, properties, listener));
  }

  #producer(properties: ClientProperties, listener: ProducerListener): SimulatedProducer {
    return this.#add(new SimulatedProducer(this.#host, properties, listener));
  }

  #add<C extends SimulatedClient>(client: C): C {
    this.#clients.add(client);
    return client;
  }

  get #host(): ClientHost {
    return {
      simulation: this.#simulation,
      topics: this.#topics,
      group: (id: string) => this.#group(id),
      remove: (client: SimulatedClient) => void this.#clients.delete(client),
    };
  }

  #group(id: string): GroupCoordinator {
    let group = this.#groups.get(id);
    if (!group) this.#groups.set(id, (group = new GroupCoordinator(id, this.#simulation, this.#topics)));
    return group;
  }

  #noPartition(partition: TopicPartition): KafkaTestkitError {
    return new KafkaTestkitError(
      "REQUEST_FAILED",
      `There is no partition ${keyOf(partition)}. Call createTopic first (seed ${this.seed}).`,
    );
  }
}

const bytesOf = (value: string | Buffer | null | undefined): Buffer | null =>
  value === undefined || value === null ? null : Buffer.from(value);
