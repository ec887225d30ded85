import {
  type ConsumerClient,
  type ConsumerListener,
  type Headers,
  type KafkaDriver,
  type PartitionRun,
  type RecordChunk,
  rdkafkaDriver,
  type TopicPartitionOffset,
} from "@millrace/kafka";

const TOPIC = "t";
const PARTITIONS = 4;
const NO_HEADERS: Headers = [];

/** Records of one partition, each with buffers of its own, as a binding hands them over. */
class MadeChunk implements RecordChunk {
  readonly length: number;
  readonly #partition: number;
  readonly #first: number;
  readonly #records: readonly { readonly key: Buffer; readonly value: Buffer }[];

  constructor(partition: number, first: number, length: number) {
    this.length = length;
    this.#partition = partition;
    this.#first = first;
    this.#records = Array.from({ length }, (_, index) => ({
      ...{ key: Buffer.from(`k${(first + index) % 1000}`), value: Buffer.alloc(100, 1) },
    }));
  }

  topic = (): string => TOPIC;
  partition = (): number => this.#partition;
  offset = (index: number): number => this.#first + index;
  timestamp = (): number => 1_700_000_000_000;
  key = (index: number): Buffer => (this.#records[index] as { readonly key: Buffer }).key;
  value = (index: number): Buffer => (this.#records[index] as { readonly value: Buffer }).value;
  headers = (): Headers => NO_HEADERS;
  bytes = (): number => 104;
  runs = (): readonly PartitionRun[] => [
    {
      ...{ topic: TOPIC, partition: this.#partition, from: 0, to: this.length },
      lastOffset: this.#first + this.length - 1,
      bytes: 104 * this.length,
    },
  ];
  release = (): void => undefined;
}

/** A driver without a broker: so many records, as fast as they are taken. */
export const memoryDriver = (records: number): KafkaDriver => {
  const each = Math.ceil(records / PARTITIONS);
  const consumer = (_: unknown, listener: ConsumerListener): ConsumerClient => {
    const next = Array.from({ length: PARTITIONS }, () => 0);
    let turn = 0;
    let assigned = false;
    const client: Partial<ConsumerClient> = {
      connect: async () => undefined,
      subscribe: () => undefined,
      poll: async ({ maxRecords }) => {
        if (!assigned) {
          assigned = true;
          await listener.onAssign(next.map((_, partition) => ({ topic: TOPIC, partition })));
        }
        for (let tried = 0; tried < PARTITIONS; tried++) {
          const partition = turn++ % PARTITIONS;
          const first = next[partition] as number;
          const length = Math.min(maxRecords, each - first);
          if (length <= 0) continue;
          next[partition] = first + length;
          return new MadeChunk(partition, first, length);
        }
        await new Promise((resolve) => setTimeout(resolve, 1));
        return undefined;
      },
      pause: () => undefined,
      resume: () => undefined,
      commit: async () => undefined,
      committed: async (): Promise<readonly TopicPartitionOffset[]> => [],
      watermarks: async () => ({ low: 0, high: each }),
      close: async () => undefined,
    };
    return client as ConsumerClient;
  };
  return { ...rdkafkaDriver, name: "memory", sendsBytesInHeaders: true, consumer };
};
