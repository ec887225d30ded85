import type {
  PartitionMetadata,
  TopicMetadata,
  TopicPartition,
  TopicPartitionOffset,
  TopicPartitionTime,
} from "../client/port.js";
import { KafkaConnectorError } from "../errors/errors.js";
import { AskingClient } from "./asking-client.js";
import { type AskingSettings, parseMetadata } from "../settings/asking-settings.js";
import { Deadline } from "./deadline.js";
import { inTurns } from "./in-turns.js";
import { requirePartitions, topicOf } from "./known-partitions.js";

/** One lookup holds one of libuv's four threads, which the consumers of the process need as well. */
const LOOKUPS_AT_ONCE = 2;

export interface MetadataClientSettings extends AskingSettings {
  /** The group whose committed offsets it returns; default `kafka.groupId`. It does not join the group. */
  readonly groupId?: string;
}

/**
 * Asks the brokers about topics, partitions and offsets, through a client of its own: no consumer waits for it.
 *
 * Every call is bound by `timeoutMs` and may run beside others. It rejects at once with `TOPIC_NOT_FOUND` or
 * `PARTITION_NOT_FOUND` for what does not exist, with `CLIENT_FAILED` (retriable) when the brokers do not answer in time,
 * and with `CLIENT_CLOSED` after `close`. Nothing that is asked for is created.
 */
export class MetadataClient implements AsyncDisposable {
  readonly #asking: AskingClient;
  readonly #groupId: string | undefined;
  readonly #timeoutMs: number;

  private constructor(asking: AskingClient, groupId: string | undefined, timeoutMs: number) {
    this.#asking = asking;
    this.#groupId = groupId;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Connects; throws `INVALID_SETTINGS`, rejects with `CONNECT_FAILED`. Close it when it is no longer needed.
   *
   * @example
   * const metadata = await MetadataClient.open({ kafka: { brokers: "localhost:9092", groupId: "reports" } });
   *
   * const partitions = await metadata.partitionsFor("payments");
   * const ends = await metadata.endOffsets(partitions);
   */
  static async open(settings: MetadataClientSettings): Promise<MetadataClient> {
    const { timeoutMs, ...options } = parseMetadata(settings, "MetadataClient");
    return new MetadataClient(await AskingClient.open(options), options.groupId, timeoutMs);
  }

  /** The first offset that each partition still has; 0 where it never had a record. */
  beginningOffsets(partitions: readonly TopicPartition[]): Promise<readonly TopicPartitionOffset[]> {
    return this.#ends("low", partitions);
  }

  /**
   * The offset that each partition's next record will have. With `isolation.level` at its default `read_committed`, that of
   * the first record which an open transaction holds back.
   */
  endOffsets(partitions: readonly TopicPartition[]): Promise<readonly TopicPartitionOffset[]> {
    return this.#ends("high", partitions);
  }

  /** All topics that this user may see, Kafka's own included; not those that are just being made or deleted. */
  async listTopics(): Promise<readonly TopicMetadata[]> {
    const { topics } = await this.#asking.client.metadata(undefined, this.#timeoutMs);
    return topics;
  }

  /** A topic's partitions in order, with leaders and copies; rejects with `TOPIC_NOT_FOUND`. */
  async partitionsFor(topic: string): Promise<readonly PartitionMetadata[]> {
    const found = await topicOf(this.#asking.client, topic, new Deadline(`describe topic ${topic}`, this.#timeoutMs));
    return found.partitions;
  }

  /** The group's positions; partitions without one are left out. Rejects with `GROUP_ID_MISSING` without a group. */
  async committedOffsets(partitions: readonly TopicPartition[]): Promise<readonly TopicPartitionOffset[]> {
    if (this.#groupId === undefined) {
      throw new KafkaConnectorError(
        "GROUP_ID_MISSING",
        "MetadataClient: committedOffsets needs a consumer group. Set groupId in its settings or in kafka.",
      );
    }
    const deadline = new Deadline("read committed offsets", this.#timeoutMs);
    const { client } = this.#asking;
    await requirePartitions(client, partitions, deadline);
    return partitions.length === 0 ? [] : client.committed(partitions, deadline.left());
  }

  /**
   * The first offset at or after each timestamp, in milliseconds since the epoch; partitions without such a record are left
   * out.
   */
  async offsetsForTimes(times: readonly TopicPartitionTime[]): Promise<readonly TopicPartitionOffset[]> {
    const deadline = new Deadline("look offsets up by time", this.#timeoutMs);
    const { client } = this.#asking;
    await requirePartitions(client, times, deadline);
    return times.length === 0 ? [] : client.offsetsForTimes(times, deadline.left());
  }

  /** Waits for what is asked, then closes. Idempotent. */
  close(): Promise<void> {
    return this.#asking.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #ends(end: "low" | "high", partitions: readonly TopicPartition[]): Promise<readonly TopicPartitionOffset[]> {
    const deadline = new Deadline(`look up the ends of ${partitions.length} partitions`, this.#timeoutMs);
    const { client } = this.#asking;
    await requirePartitions(client, partitions, deadline);
    return inTurns(partitions, LOOKUPS_AT_ONCE, async ({ topic, partition }) => {
      const marks = await client.watermarks({ topic, partition }, deadline.left());
      return { topic, partition, offset: marks[end] };
    });
  }
}
