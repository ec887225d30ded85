import {
  Consumer,
  type Message,
  MessagesStreamFallbackModes,
  MessagesStreamModes,
  Producer,
  type MessagesStream,
} from "@platformatic/kafka";
import { Commits } from "./commits.js";
import { type ClientJob, recordsPerSend, type Work, type Works } from "./job.js";
import { keyOf, valueOf } from "./records.js";
import { Sends } from "./sends.js";

type BufferMessage = Message;
type Stream = MessagesStream<Buffer, Buffer, Buffer, Buffer>;

/** Records taken off the stream at a time, and how many it reads ahead. */
const READ = 1000;

/**
 * Its idempotent producer takes the numbers of a batch from the answer to the one before: of several sends at a time the
 * broker drops the later ones as repeated, and the client takes that for an acknowledgement. Records are lost then.
 */
const SENDS = 1;

class Reader {
  readonly consumer: Consumer;
  readonly commits: Commits;
  readonly #job: ClientJob;
  #stream: Stream | undefined;

  constructor(job: ClientJob) {
    this.#job = job;
    this.consumer = new Consumer({
      clientId: "bench",
      groupId: job.groupId,
      bootstrapBrokers: job.brokers.split(","),
      highWaterMark: READ,
    });
    this.commits = new Commits(job, (positions) =>
      this.consumer.commit({
        offsets: positions.map((position) => ({ ...position, offset: BigInt(position.offset), leaderEpoch: -1 })),
      }),
    );
  }

  /** Hands on what has come, in the stream's paused mode, which costs less than an iterator and keeps backpressure. */
  async read(onBatch: (batch: readonly BufferMessage[]) => Promise<void> | undefined): Promise<void> {
    const stream = await this.consumer.consume({
      topics: [this.#job.from],
      autocommit: false,
      mode: MessagesStreamModes.COMMITTED,
      fallbackMode: MessagesStreamFallbackModes.EARLIEST,
    });
    this.#stream = stream;
    let busy = false;
    const drain = async (): Promise<void> => {
      if (busy) return;
      busy = true;
      for (let batch = this.#take(stream); batch.length > 0; batch = this.#take(stream)) {
        const full = onBatch(batch);
        if (full) await full;
      }
      busy = false;
    };
    stream.on("error", this.#job.onFailure);
    stream.on("readable", () => void drain().catch(this.#job.onFailure));
  }

  #take(stream: Stream): BufferMessage[] {
    const batch: BufferMessage[] = [];
    while (batch.length < READ) {
      const message = stream.read() as BufferMessage | null;
      if (message === null) break;
      batch.push(message);
    }
    return batch;
  }

  async close(): Promise<void> {
    await this.#stream?.close();
    await this.consumer.close();
  }
}

/** Where each partition of a batch ends. */
const positionsOf = (batch: readonly BufferMessage[]): Map<number, number> => {
  const positions = new Map<number, number>();
  for (const { partition, offset } of batch) positions.set(partition, Number(offset) + 1);
  return positions;
};

const finish = ({ commits }: Reader, positions: ReadonlyMap<number, number>, count: number): void => {
  let records = count;
  for (const [partition, position] of positions) {
    commits.done(partition, position, records);
    records = 0;
  }
  commits.flush();
};

const reading =
  (commits: boolean): Work =>
  async (job) => {
    const reader = new Reader(job);
    await reader.read((batch) => {
      for (const { value } of batch) job.process(value);
      if (commits) finish(reader, positionsOf(batch), batch.length);
      return undefined;
    });
    await job.finished;
    await reader.close();
  };

const open = ({ brokers }: ClientJob): Producer =>
  new Producer({ clientId: "bench", bootstrapBrokers: brokers.split(","), idempotent: true });

const producing: Work = async (job) => {
  const producer = open(job);
  const sends = new Sends(job.onFailure, SENDS);
  const perSend = recordsPerSend(job.size);
  let acknowledged = 0;
  for (let from = 0; from < job.records; from += perSend) {
    const messages = Array.from({ length: Math.min(perSend, job.records - from) }, (_, offset) => {
      const index = from + offset;
      return {
        topic: job.to,
        partition: index % job.partitions,
        key: keyOf(index),
        value: valueOf(index, job.size),
      };
    });
    await sends.add(
      () => producer.send({ messages }),
      () => job.onDone((acknowledged += messages.length)),
    );
  }
  await job.finished;
  await producer.close();
};

const copying: Work = async (job) => {
  const producer = open(job);
  const reader = new Reader(job);
  const sends = new Sends(job.onFailure, SENDS);
  const perSend = recordsPerSend(job.size);
  await reader.read(async (batch) => {
    for (let from = 0; from < batch.length; from += perSend) {
      const slice = batch.slice(from, from + perSend);
      const messages = slice.map(({ partition, key, value }) => {
        job.process(value);
        return { topic: job.to, partition, key, value };
      });
      await sends.add(
        () => producer.send({ messages }),
        () => finish(reader, positionsOf(slice), slice.length),
      );
    }
  });
  await job.finished;
  await reader.close();
  await producer.close();
};

export const works: Works = {
  consume: reading(false),
  commit: reading(true),
  produce: producing,
  copy: copying,
};
