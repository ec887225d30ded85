import type {
  ClientProperties,
  ConsumerListener,
  KafkaDriver,
  ProducerListener,
  TopicPartition,
  TopicPartitionOffset,
} from "@millrace/kafka";
import { type Clock, systemClock } from "@millrace/streams";
import { KafkaTestkitError } from "../errors.js";
import type { ClientHost, SimulatedClient } from "./client/client-host.js";
import { SimulatedConsumer } from "./client/consumer.js";
import type { SimulatedFaults } from "./faults.js";
import { Group, type GroupTimings } from "./broker/group.js";
import type { Isolation, PartitionLog, StoredRecord } from "./broker/log.js";
import { SimulatedProducer } from "./client/producer.js";
import type { Cure } from "./client/positions.js";
import { CODE, Simulation } from "./simulation.js";
import { keyOf, Topics } from "./broker/topics.js";
import { TransactionCoordinator } from "./broker/transactions.js";

export interface SimulatedKafkaOptions {
  /** From which every choice is drawn; it is named in every error. */
  readonly seed: number;
  /**
   * All delays pass on it. Use a virtual one, and give the same one to the runs of the streams. Default: the machine's, with
   * which a seed no longer decides the order of everything.
   */
  readonly clock?: Clock;
  /** How many there are, counted from 1; each leads some of the partitions. Default 1. */
  readonly brokers?: number;
  /** The brokers' `group.consumer.heartbeat.interval.ms`, for groups with `group.protocol=consumer`; default 5000. */
  readonly heartbeatIntervalMs?: number;
  /** The brokers' `group.consumer.session.timeout.ms`, likewise; default 45 000. */
  readonly sessionTimeoutMs?: number;
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
 * It simulates:
 * - topics that grow, lose their oldest records and have holes; brokers that go away together or one by one;
 * - producers whose requests and acknowledgements are late, overtake, fail or get lost, idempotent or not;
 * - transactions: fencing, timeouts, markers, `read_committed`, positions that wait for the commit;
 * - groups of both protocols: eager and cooperative assignors, and the broker's own (`group.protocol=consumer`); static
 *   members, session and poll timeouts, generations and epochs, partitions revoked and lost.
 *
 * It does not know: replicas (a broker that is away takes its partitions with it, and loses nothing), deletion of topics,
 * retention by time or size, quotas, access control, a change of a group's protocol while it has members, partitioners
 * other than the default, share groups. Clients hear of a broker that is away at once. Node's own timers are beyond its
 * clock. It is compared with a real broker, scenario by scenario; docs/simulation.md says what that covers.
 */
export class SimulatedKafka {
  readonly seed: number;
  readonly brokers: number;
  readonly driver: KafkaDriver;
  readonly #simulation: Simulation;
  readonly #topics: Topics;
  readonly #transactions: TransactionCoordinator;
  readonly #timings: GroupTimings;
  readonly #groups = new Map<string, Group>();
  readonly #clients = new Set<SimulatedClient>();

  constructor(options: SimulatedKafkaOptions) {
    const { seed, clock = systemClock, brokers = 1, faults = {}, onEvent } = options;
    if (!Number.isSafeInteger(brokers) || brokers < 1) {
      throw new RangeError(`A cluster has 1 broker or more, not ${brokers}.`);
    }
    this.seed = seed;
    this.brokers = brokers;
    this.#simulation = new Simulation({ seed, clock, brokers, faults, onEvent });
    this.#topics = new Topics(brokers);
    this.#transactions = new TransactionCoordinator(this.#simulation, this.#topics);
    const { heartbeatIntervalMs = 5000, sessionTimeoutMs = 45_000 } = options;
    this.#timings = { heartbeatIntervalMs, sessionTimeoutMs };
    this.driver = {
      name: "simulated",
      commitsMetadata: true,
      sendsBytesInHeaders: true,
      consumer: (properties, listener) => this.#consumer(properties, listener),
      producer: (properties, listener) => this.#producer(properties, listener),
    };
  }

  /** Fails with `REQUEST_FAILED` where it exists. Clients see it once they look at the topics again. */
  createTopic(topic: string, partitions: number): void {
    if (!this.#topics.create(topic, partitions)) {
      throw new KafkaTestkitError("REQUEST_FAILED", `Topic ${topic} exists. Use another name (seed ${this.seed}).`);
    }
  }

  /**
   * Adds `count` partitions to the topic. Members of classic groups and producers see them after their
   * `topic.metadata.refresh.interval.ms`, default 300 000; other groups by the next heartbeat.
   */
  addPartitions(topic: string, count: number): void {
    if (!this.#topics.grow(topic, count)) throw this.#noPartition({ topic, partition: 0 });
    this.#simulation.event(`${topic} has ${this.#topics.partitionsOf(topic)} partitions`);
  }

  /**
   * Deletes the topic and makes it anew, empty, with `partitions` partitions: groups have no positions in it any more.
   * Consumers notice once they look at the topics again, and read on at the offsets where they were in the old one.
   */
  recreateTopic(topic: string, partitions: number): void {
    if (!this.#topics.remove(topic)) throw this.#noPartition({ topic, partition: 0 });
    for (const { offsets } of this.#groups.values()) offsets.forget(topic);
    this.#topics.create(topic, partitions);
    this.#simulation.event(`${topic} is deleted and made again with ${partitions} partitions`);
    this.#topics.changed();
  }

  /** Moves the low watermark: a consumer that stands below goes where `auto.offset.reset` says. */
  deleteRecords(topic: string, partition: number, beforeOffset: number): void {
    this.#log({ topic, partition }).deleteBefore(beforeOffset);
    this.#topics.changed();
  }

  /** The next `count` offsets hold no record, as after a compaction. */
  skipOffsets(topic: string, partition: number, count: number): void {
    this.#log({ topic, partition }).skip(count);
    this.#topics.changed();
  }

  /** Everything that was ever stored in the partition, in order, or what of it is committed by now. */
  records(topic: string, partition: number, isolation: Isolation = "read_uncommitted"): readonly StoredRecord[] {
    return this.#log({ topic, partition }).all(isolation);
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
    return this.#groups.get(groupId)?.offsets.all ?? [];
  }

  /**
   * For `ms` milliseconds, requests for the group's positions are answered with these, for instance old ones; the
   * stored ones stay, and are answered after that.
   */
  tellPositions(groupId: string, positions: readonly TopicPartitionOffset[], ms: number): void {
    const { offsets } = this.#group(groupId);
    offsets.answerInstead(positions);
    this.#simulation.schedule(ms, () => offsets.answerInstead(undefined));
    this.#simulation.event(`positions of ${groupId} are answered as they were, for ${ms} ms`);
  }

  /** What the group has assigned to each member, and how often it has rebalanced: its generation, or its epoch. */
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
   * Ends all clients with this `client.id` as if their process had died: nothing is committed, no member leaves, and
   * nothing they still do reaches the cluster, but for what is on its way. Close them afterwards to let their polls
   * end.
   */
  kill(clientId: string): void {
    for (const client of this.#clients) if (client.clientId === clientId) client.kill();
  }

  /** Its group forgets the consumer, as after a network failure; it learns of it and loses its partitions. */
  expire(clientId: string): void {
    for (const client of this.#clients) if (client.clientId === clientId) client.expire?.();
  }

  /**
   * The coordinator takes the static member for an old one, as after a restart in which it forgot who had joined last:
   * it is fenced, though no other member has its id.
   */
  fence(clientId: string): void {
    for (const client of this.#clients) if (client.clientId === clientId) client.fence?.();
  }

  /**
   * Clients that read the partition now fetch nothing more of it, without an error, until `cure`: a seek, or else another
   * assignment of it, or else nothing but a new client. Answers how many they are.
   */
  hang(topic: string, partition: number, cure: Cure): number {
    const hung = [...this.#clients].filter((client) => client.hang?.({ topic, partition }, cure));
    this.#simulation.event(`${topic}-${partition} is fetched no more by ${hung.length} clients until ${cure}`);
    return hung.length;
  }

  /** All brokers are unreachable for `ms` ms: requests wait, nothing is fetched, and every client gets an error. */
  outage(ms: number): void {
    this.#simulation.event(`outage of ${ms} ms`);
    this.#simulation.startOutage(ms);
    this.#reportOutage(`No broker is reachable for ${ms} ms.`);
  }

  /** One broker is away for `downMs` ms, with the partitions it leads and what it coordinates; the others go on. */
  restartBroker(broker: number, downMs: number): void {
    if (!Number.isSafeInteger(broker) || broker < 1 || broker > this.brokers) {
      throw new RangeError(`There is no broker ${broker}; they are counted from 1 to ${this.brokers}.`);
    }
    this.#simulation.event(`broker ${broker} is away for ${downMs} ms`);
    this.#simulation.startOutage(downMs, broker);
    this.#reportOutage(`Broker ${broker} is not reachable for ${downMs} ms.`);
  }

  /** The broker that leads the partition. */
  leaderOf(topic: string, partition: number): number {
    return this.#topics.leaderOf(this.#log({ topic, partition }));
  }

  #reportOutage(text: string): void {
    const error = this.#simulation.error("CLIENT_FAILED", text, CODE.transport);
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
      transactions: this.#transactions,
      group: (id: string) => this.#group(id),
      remove: (client: SimulatedClient) => void this.#clients.delete(client),
    };
  }

  #group(id: string): Group {
    let group = this.#groups.get(id);
    if (!group) this.#groups.set(id, (group = new Group(id, this.#simulation, this.#topics, this.#timings)));
    return group;
  }

  #log(partition: TopicPartition): PartitionLog {
    const log = this.#topics.log(partition);
    if (log) return log;
    throw this.#noPartition(partition);
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
