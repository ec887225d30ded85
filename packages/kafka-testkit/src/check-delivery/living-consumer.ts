import type {
  ClientProperties,
  ClusterMetadata,
  ConsumerClient,
  ConsumerListener,
  KafkaDriver,
  PollOptions,
  RecordChunk,
  Subscription,
  StartingPartition,
  TopicPartition,
  TopicPartitionOffset,
  TopicPartitionTime,
  Watermarks,
} from "@millrace/kafka";
import { errorText } from "./error-text.js";
import type { Life } from "./life.js";

const namesOf = (positions: readonly TopicPartitionOffset[]): string =>
  positions.map(({ topic, partition, offset }) => `${topic}-${partition}@${offset}`).join(" ");

const recordsOf = (chunk: RecordChunk): string =>
  chunk
    .runs()
    .map(({ topic, partition, from, to }) => {
      const offsets = Array.from({ length: to - from }, (_, index) => chunk.offset(from + index));
      return `${topic}-${partition}@${offsets.join()}`;
    })
    .join(" ");

/** A consumer that reports each step, and does nothing once its process is dead. */
export class LivingConsumer implements ConsumerClient {
  readonly inner: ConsumerClient;
  readonly #life: Life;
  #closing: Promise<void> | undefined;

  constructor(driver: KafkaDriver, properties: ClientProperties, listener: ConsumerListener, life: Life) {
    this.#life = life;
    this.inner = driver.consumer(properties, {
      onAssign: (partitions) => (life.dead ? undefined : listener.onAssign(partitions)),
      onRevoke: (partitions) => (life.dead ? undefined : listener.onRevoke(partitions)),
      ...(listener.onLost && {
        onLost: (partitions: readonly TopicPartition[]) => (life.dead ? undefined : listener.onLost?.(partitions)),
      }),
      startOf: (partition) => listener.startOf?.(partition),
      onError: (error) => {
        if (!life.dead) listener.onError(error);
      },
      onTopicRemade: (topic) => {
        if (!life.dead) listener.onTopicRemade?.(topic);
      },
      ...(listener.onPartitionEnd && {
        onPartitionEnd: (end: TopicPartitionOffset) => {
          if (!life.dead) listener.onPartitionEnd?.(end);
        },
      }),
    });
    life.opened();
    life.onKilled(() => void this.inner.close());
  }

  connect(): Promise<void> {
    return this.#life.alive(this.inner.connect());
  }

  subscribe(subscription: Subscription): void {
    this.#life.requireAlive();
    this.inner.subscribe(subscription);
  }

  addPartitions(partitions: readonly StartingPartition[]): void {
    this.#life.requireAlive();
    this.inner.addPartitions(partitions);
  }

  removePartitions(partitions: readonly TopicPartition[]): void {
    this.#life.requireAlive();
    this.inner.removePartitions(partitions);
  }

  async poll(options: PollOptions): Promise<RecordChunk | undefined> {
    this.#life.requireAlive();
    const chunk = await this.#life.alive(this.inner.poll(options));
    if (!chunk) return undefined;
    this.#life.step(`${this.#life.name} is given ${recordsOf(chunk)}`);
    this.#life.requireAlive();
    return chunk;
  }

  pause(partitions: readonly TopicPartition[]): void {
    if (!this.#life.dead) this.inner.pause(partitions);
  }

  resume(partitions: readonly TopicPartition[]): void {
    if (!this.#life.dead) this.inner.resume(partitions);
  }

  seek(positions: readonly TopicPartitionOffset[], timeoutMs: number): Promise<void> {
    this.#life.requireAlive();
    return this.#life.alive(this.inner.seek(positions, timeoutMs));
  }

  reassign(partitions: readonly StartingPartition[]): void {
    this.#life.requireAlive();
    this.inner.reassign?.(partitions);
  }

  fetchedWatermarks(partition: TopicPartition): Watermarks | undefined {
    return this.inner.fetchedWatermarks?.(partition);
  }

  async commit(positions: readonly TopicPartitionOffset[]): Promise<void> {
    this.#life.requireAlive();
    const answered = this.inner.commit(positions);
    this.#life.step(`${this.#life.name} sends the commit of ${namesOf(positions)}`);
    const outcome = await this.#life.alive(
      answered.then(
        () => ({ error: undefined }),
        (error: unknown) => ({ error }),
      ),
    );
    const failed = outcome.error === undefined ? "is committed" : `is not committed: ${errorText(outcome.error)}`;
    this.#life.step(`${this.#life.name} hears that ${namesOf(positions)} ${failed}`);
    this.#life.requireAlive();
    if (outcome.error !== undefined) throw outcome.error;
  }

  committed(partitions: readonly TopicPartition[], timeoutMs: number): Promise<readonly TopicPartitionOffset[]> {
    this.#life.requireAlive();
    return this.#life.alive(this.inner.committed(partitions, timeoutMs));
  }

  watermarks(partition: TopicPartition, timeoutMs: number): Promise<Watermarks> {
    this.#life.requireAlive();
    return this.#life.alive(this.inner.watermarks(partition, timeoutMs));
  }

  offsetsForTimes(times: readonly TopicPartitionTime[], timeoutMs: number): Promise<readonly TopicPartitionOffset[]> {
    this.#life.requireAlive();
    return this.#life.alive(this.inner.offsetsForTimes(times, timeoutMs));
  }

  metadata(topic: string | undefined, timeoutMs: number): Promise<ClusterMetadata> {
    this.#life.requireAlive();
    return this.#life.alive(this.inner.metadata(topic, timeoutMs));
  }

  close(): Promise<void> {
    this.#closing ??= this.inner.close().finally(() => this.#life.closed());
    return this.#closing;
  }
}
