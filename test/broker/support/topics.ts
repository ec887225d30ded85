/** Fills topics, reads them back and asks for positions, by the client port alone: no stage of Millrace judges itself. */
import {
  type ConsumerClient,
  type OutgoingRecord,
  rdkafkaDriver,
  type TopicPartition,
  type TopicPartitionOffset,
} from "@millrace/kafka";

const ANSWER_MS = 20_000;
const silent = { onAssign: () => undefined, onRevoke: () => undefined, onError: () => undefined };

export const partitionsOf = (topic: string, count: number): readonly TopicPartition[] =>
  Array.from({ length: count }, (_, partition) => ({ topic, partition }));

/** Produces all records, acknowledged; fails with the first error. */
export async function fill(brokers: string, records: Iterable<OutgoingRecord>): Promise<void> {
  let failure: Error | undefined;
  let reported = (): void => undefined;
  const producer = rdkafkaDriver.producer(
    { "bootstrap.servers": brokers, "linger.ms": 20, "queue.buffering.max.messages": 50_000 },
    {
      onReports({ errors }) {
        failure ??= errors.find((error) => error !== undefined);
        reported();
      },
      onError: () => undefined,
    },
  );
  await producer.connect();
  const send = async (batch: readonly OutgoingRecord[]): Promise<void> => {
    for (let sent = 0; sent < batch.length && failure === undefined; ) {
      sent += producer.produceBatch(batch, sent, 0);
      if (sent < batch.length) await new Promise<void>((resolve) => (reported = resolve));
    }
  };
  let batch: OutgoingRecord[] = [];
  for (const record of records) {
    if (batch.push(record) < 1000) continue;
    await send(batch);
    batch = [];
  }
  await send(batch);
  await producer.flush(ANSWER_MS);
  await producer.close();
  if (failure !== undefined) throw failure;
}

async function withClient<T>(
  brokers: string,
  groupId: string,
  use: (client: ConsumerClient) => Promise<T>,
): Promise<T> {
  const client = rdkafkaDriver.consumer({ "bootstrap.servers": brokers, "group.id": groupId }, silent);
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

/** The group's committed position of each partition of the topic; 0 where there is none. */
export function committedPositions(
  brokers: string,
  groupId: string,
  topic: string,
  partitions: number,
): Promise<readonly number[]> {
  return withClient(brokers, groupId, async (client) => {
    const known: readonly TopicPartitionOffset[] = await client.committed(partitionsOf(topic, partitions), ANSWER_MS);
    return partitionsOf(topic, partitions).map(
      ({ partition }) => known.find((position) => position.partition === partition)?.offset ?? 0,
    );
  });
}

/** What a read found: a record's place and its text. */
export type Visit = (partition: number, offset: number, value: string) => void;

/** Reads a topic from its beginning, and goes on from there whenever it is asked; it is in no group. */
export class TopicReader implements AsyncDisposable {
  readonly #client: ConsumerClient;
  readonly #partitions: readonly TopicPartition[];
  /** The next offset of each partition. */
  readonly #positions: number[];

  private constructor(client: ConsumerClient, partitions: readonly TopicPartition[]) {
    this.#client = client;
    this.#partitions = partitions;
    this.#positions = partitions.map(() => 0);
  }

  static async open(brokers: string, topic: string, count: number): Promise<TopicReader> {
    const client = rdkafkaDriver.consumer({ "bootstrap.servers": brokers, "group.id": "reader" }, silent);
    await client.connect();
    const partitions = partitionsOf(topic, count);
    client.subscribe({ kind: "assignment", partitions: partitions.map((each) => ({ ...each, offset: 0 })) });
    return new TopicReader(client, partitions);
  }

  /** Where the topic ends now. */
  async ends(): Promise<readonly number[]> {
    const marks = await Promise.all(this.#partitions.map((each) => this.#client.watermarks(each, ANSWER_MS)));
    return marks.map(({ high }) => high);
  }

  /** Where the topic ends once two looks, a moment apart, agree: what a killed producer had sent may still arrive. */
  async settledEnds(): Promise<readonly number[]> {
    const deadline = Date.now() + ANSWER_MS;
    for (let before = await this.ends(); ; ) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      const now = await this.ends();
      if (now.join() === before.join()) return now;
      if (Date.now() > deadline) throw new Error("The topic did not come to rest.");
      before = now;
    }
  }

  /** Visits what was not visited yet, up to `ends`. */
  async readTo(ends: readonly number[], visit: Visit): Promise<void> {
    const deadline = Date.now() + 3 * ANSWER_MS;
    while (this.#positions.some((position, partition) => position < (ends[partition] ?? 0))) {
      if (Date.now() > deadline) throw new Error(`Read to ${this.#positions.join()} of ${ends.join()} only.`);
      const chunk = await this.#client.poll({ maxRecords: 2000, waitMs: 100 });
      for (let index = 0; index < (chunk?.length ?? 0); index++) {
        const partition = chunk?.partition(index) ?? 0;
        const offset = chunk?.offset(index) ?? 0;
        this.#positions[partition] = offset + 1;
        visit(partition, offset, chunk?.value(index)?.toString() ?? "");
      }
    }
  }

  async readToEnd(visit: Visit): Promise<void> {
    await this.readTo(await this.ends(), visit);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#client.close();
  }
}
