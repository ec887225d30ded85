import type { TopicAdmin, TopicPartition, TopicPartitionOffset } from "../client/port.js";
import { KafkaConnectorError } from "../errors/errors.js";
import { AskingClient } from "./asking-client.js";
import { type AskingSettings, type ParsedAsking, parseAdmin } from "../settings/asking-settings.js";
import { Deadline } from "./deadline.js";
import { requirePartitions } from "./known-partitions.js";

export type AdminClientSettings = AskingSettings;

export interface CreateTopicOptions {
  /** Default: the brokers' `num.partitions`. */
  readonly partitions?: number;
  /** Default: the brokers' `default.replication.factor`. */
  readonly replicationFactor?: number;
  /** Topic settings of Kafka, for example `{ "cleanup.policy": "compact" }`. */
  readonly config?: Readonly<Record<string, string>>;
}

/**
 * Makes, grows and deletes topics, and sets the committed offsets of groups that have no members.
 *
 * Topics change when the controller has accepted it, which may be before every broker knows it. Every call is bound by
 * `timeoutMs`; it rejects with `ADMIN_FAILED`, whose `clientCode` is the broker's, where the cluster refuses or does not
 * answer, and with `CLIENT_CLOSED` after `close`.
 */
export class AdminClient implements AsyncDisposable {
  readonly #settings: ParsedAsking;
  readonly #topics: TopicAdmin;
  readonly #working = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  private constructor(settings: ParsedAsking, topics: TopicAdmin) {
    this.#settings = settings;
    this.#topics = topics;
  }

  /**
   * Connects with its first call. Throws `INVALID_SETTINGS`, also where the driver cannot change topics.
   *
   * @example
   * const admin = AdminClient.create({ kafka: { brokers: "localhost:9092" } });
   *
   * await admin.createTopic("payments", { partitions: 12, replicationFactor: 3, config: { "retention.ms": "604800000" } });
   */
  static create(settings: AdminClientSettings): AdminClient {
    const parsed = parseAdmin(settings, "AdminClient");
    const { driver, properties } = parsed;
    if (driver.topicAdmin) return new AdminClient(parsed, driver.topicAdmin(properties));
    throw new KafkaConnectorError(
      "INVALID_SETTINGS",
      `AdminClient: the driver ${driver.name} cannot change topics. Use rdkafkaDriver or confluentDriver.`,
    );
  }

  /** Rejects with `TOPIC_EXISTS` where there is one of this name, whatever its partitions. */
  async createTopic(topic: string, options: CreateTopicOptions = {}): Promise<void> {
    const { partitions = -1, replicationFactor = -1, config = {} } = options;
    const wanted = { topic, partitions, replicationFactor, config };
    await this.#work(() => this.#topics.createTopic(wanted, this.#settings.timeoutMs));
  }

  /** Rejects with `TOPIC_NOT_FOUND`. A client that goes on using the topic may bring it back. */
  async deleteTopic(topic: string): Promise<void> {
    await this.#work(() => this.#topics.deleteTopic(topic, this.#settings.timeoutMs));
  }

  /**
   * Grows the topic to this number of partitions, which must be more than it has. Records of a key may go to another
   * partition from then on.
   */
  async growTopic(topic: string, partitions: number): Promise<void> {
    await this.#work(() => this.#topics.growTopic(topic, partitions, this.#settings.timeoutMs));
  }

  /** The group's positions; partitions without one are left out. Rejects as `MetadataClient.committedOffsets` does. */
  committedOffsets(groupId: string, partitions: readonly TopicPartition[]): Promise<readonly TopicPartitionOffset[]> {
    return this.#forGroup(groupId, "read committed offsets", async (asking, deadline) => {
      await requirePartitions(asking.client, partitions, deadline);
      return partitions.length === 0 ? [] : asking.client.committed(partitions, deadline.left());
    });
  }

  /**
   * Sets where the group goes on when its consumers start again, `offset` being that of the next record to read; the
   * group is created where there is none. Rejects with `GROUP_NOT_EMPTY` while it has members, with `TOPIC_NOT_FOUND`
   * and `PARTITION_NOT_FOUND`. Offsets beyond the ends of a partition are accepted: then `auto.offset.reset` applies.
   */
  commitOffsets(groupId: string, positions: readonly TopicPartitionOffset[]): Promise<void> {
    return this.#forGroup(groupId, "commit offsets", async (asking, deadline) => {
      await requirePartitions(asking.client, positions, deadline);
      if (positions.length > 0) await asking.commit(positions, deadline);
    });
  }

  /** Waits for what is being done, then closes. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#working);
    await this.#topics.close();
  }

  /** Positions belong to a group, and a client to one group, so each call has one of its own. */
  #forGroup<T>(
    groupId: string,
    what: string,
    use: (asking: AskingClient, deadline: Deadline) => Promise<T>,
  ): Promise<T> {
    return this.#work(async () => {
      const asking = await AskingClient.open({ ...this.#settings, groupId });
      try {
        return await use(asking, new Deadline(what, this.#settings.timeoutMs));
      } finally {
        await asking.close();
      }
    });
  }

  async #work<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) {
      throw new KafkaConnectorError("CLIENT_CLOSED", "The admin client is closed. Make another one.");
    }
    const working = work();
    this.#working.add(working);
    try {
      return await working;
    } finally {
      this.#working.delete(working);
    }
  }
}
