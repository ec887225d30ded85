import type {
  ConsumerClient,
  StartingPartition,
  StartPosition,
  TopicPartition,
  TopicPartitionOffset,
} from "../../client/port.js";
import { KafkaConnectorError } from "../../errors/errors.js";
import { offsetsByKey, partitionKey } from "../../client/partition-key.js";
import type { AssignedPartition, ParsedConsumer } from "../../settings/parse-consumer.js";

/** Any other answer would reach the client as an invalid offset. */
const requireOffsets = (answer: unknown): readonly TopicPartitionOffset[] => {
  const isOffset = (each: Partial<TopicPartitionOffset> | null): boolean =>
    typeof each?.topic === "string" &&
    Number.isInteger(each.partition) &&
    Number.isSafeInteger(each.offset) &&
    Number(each.offset) >= 0;
  if (Array.isArray(answer) && (answer as (Partial<TopicPartitionOffset> | null)[]).every(isOffset))
    return answer as readonly TopicPartitionOffset[];
  throw new KafkaConnectorError(
    "INVALID_SETTINGS",
    "getOffsetsOnAssign has to answer a list of { topic, partition, offset } with whole offsets of 0 or more; leave out the partitions that are to begin as without it.",
  );
};

type Lookups = Pick<ConsumerClient, "offsetsForTimes" | "watermarks">;
type CommittedLookup = Pick<ConsumerClient, "committed">;

/** The first offset at or after a time; if there is none yet, the end: nothing younger that comes later is missed. */
export const offsetsSince = async (
  client: Lookups,
  partitions: readonly TopicPartition[],
  timestamp: number,
  timeoutMs: number,
): Promise<readonly StartPosition[]> => {
  const ask = async (asked: readonly TopicPartition[]): Promise<readonly TopicPartitionOffset[]> =>
    asked.length === 0
      ? []
      : client.offsetsForTimes(
          asked.map(({ topic, partition }) => ({ topic, partition, timestamp })),
          timeoutMs,
        );
  const without = (found: readonly TopicPartition[], all: readonly TopicPartition[]): readonly TopicPartition[] => {
    const known = new Set(found.map(partitionKey));
    return all.filter((each) => !known.has(partitionKey(each)));
  };
  const found = await ask(partitions);
  const missing = without(found, partitions);
  // 1. Nothing is as young; 2. the end is looked up; 3. what came before the end is found by a second look.
  const ends = await Promise.all(missing.map((each) => endOf(client, each, timeoutMs)));
  const late = await ask(missing);
  const left = new Set(without(late, missing).map(partitionKey));
  return [...found, ...late, ...ends.filter((end) => left.has(partitionKey(end)))];
};

/** A partition that does not exist yet begins at its beginning. */
const endOf = async (
  client: Lookups,
  { topic, partition }: TopicPartition,
  timeoutMs: number,
): Promise<StartPosition> => {
  try {
    return { topic, partition, offset: (await client.watermarks({ topic, partition }, timeoutMs)).high };
  } catch (error) {
    if (error instanceof KafkaConnectorError && error.retriable && error.reason !== "notFound") throw error;
    return { topic, partition, offset: "beginning" };
  }
};

type Settings = Pick<ParsedConsumer, "startAt" | "offsetsOnAssign" | "lookupTimeoutMs">;

/** Where reading begins, where that is not the group's committed position. */
export class StartOffsets {
  readonly #client: Lookups & CommittedLookup;
  readonly #settings: Settings;
  readonly #offsets = new Map<string, StartPosition["offset"]>();
  /** Where this consumer was when its client was exchanged. */
  readonly #resumed = new Map<string, number>();

  constructor(client: Lookups & CommittedLookup, settings: Settings) {
    this.#client = client;
    this.#settings = settings;
  }

  of(partition: TopicPartition): StartPosition["offset"] | undefined {
    return this.#offsets.get(partitionKey(partition));
  }

  /** The partitions are assigned: looks up where to begin with each. */
  async learn(partitions: readonly TopicPartition[]): Promise<void> {
    for (const each of partitions) this.#offsets.delete(partitionKey(each));
    for (const { offset, ...each } of await this.#positions(partitions)) this.#offsets.set(partitionKey(each), offset);
    // Where positions are kept elsewhere, only that store knows what was done with delivered records.
    if (!this.#settings.offsetsOnAssign) await this.#resume(partitions);
  }

  /** The next assignment of these partitions begins there, unless others have committed more by then. */
  resumeAt(positions: readonly TopicPartitionOffset[]): void {
    for (const each of positions) this.#resumed.set(partitionKey(each), each.offset);
  }

  async #resume(partitions: readonly TopicPartition[]): Promise<void> {
    const resumed = partitions.filter((each) => this.#resumed.has(partitionKey(each)));
    if (resumed.length === 0) return;
    const asked = resumed.map(({ topic, partition }) => ({ topic, partition }));
    const committed = await this.#client.committed(asked, this.#settings.lookupTimeoutMs);
    const stored = offsetsByKey(committed);
    for (const key of resumed.map(partitionKey)) {
      this.#offsets.set(key, Math.max(this.#resumed.get(key) ?? 0, stored.get(key) ?? 0));
      this.#resumed.delete(key);
    }
  }

  /** The partitions of a manual assignment with the offsets to begin at. */
  async ofAssignment(partitions: readonly AssignedPartition[]): Promise<readonly StartingPartition[]> {
    const own = await Promise.all(
      partitions.map(async ({ topic, partition, offset, timestamp }): Promise<StartingPartition> => {
        if (this.#resumed.has(partitionKey({ topic, partition }))) return { topic, partition };
        if (offset !== undefined) return { topic, partition, offset };
        if (timestamp === undefined) return { topic, partition };
        const [since] = await this.#since([{ topic, partition }], timestamp);
        return since ?? { topic, partition };
      }),
    );
    await this.learn(own.filter(({ offset }) => offset === undefined));
    return own.map((each) => {
      const offset = each.offset ?? this.of(each);
      return offset === undefined ? each : { ...each, offset };
    });
  }

  async #positions(partitions: readonly TopicPartition[]): Promise<readonly StartPosition[]> {
    const { startAt, offsetsOnAssign } = this.#settings;
    if (offsetsOnAssign) return requireOffsets(await offsetsOnAssign(partitions));
    if (startAt === "committed") return [];
    if (typeof startAt === "string") return partitions.map((each) => ({ ...each, offset: startAt }));
    return this.#since(partitions, startAt.timestamp);
  }

  #since(partitions: readonly TopicPartition[], timestamp: number): Promise<readonly StartPosition[]> {
    return offsetsSince(this.#client, partitions, timestamp, this.#settings.lookupTimeoutMs);
  }
}
