import type {
  ClusterMetadata,
  ConsumerClient,
  ConsumerListener,
  PollOptions,
  RecordChunk,
  StartingPartition,
  Subscription,
  TopicPartition,
  TopicPartitionOffset,
  TopicPartitionTime,
  Watermarks,
} from "../../client/port.js";
import { KafkaConnectorError } from "../../errors/errors.js";
import type { ViewBuffer } from "./view-buffer.js";

const closedError = (call: string): KafkaConnectorError =>
  new KafkaConnectorError("CONSUMER_CLOSED", `Cannot ${call}: this source's part of the shared consumer is closed.`);

/** What the views of a client have in common. */
export interface ViewHost {
  readonly client: ConsumerClient;
  connect(): Promise<void>;
  take(view: ConsumerView, partitions: readonly StartingPartition[]): void;
  giveUp(view: ConsumerView, partitions: readonly TopicPartition[]): Promise<void>;
  /** The view is closed. */
  leave(view: ConsumerView): Promise<void>;
  /** Reads for all views, once; resolves when that is over, whichever views the records are for. */
  read(waitMs: number): Promise<void>;
  /** Sees that commits are answered also while every view has enough records waiting. */
  serve(): void;
  /** Pauses and resumes what the view wants. */
  steer(view: ConsumerView): void;
  seek(view: ConsumerView, positions: readonly TopicPartitionOffset[], timeoutMs: number): Promise<void>;
  /** Fetches partitions of the view anew; the others go on. */
  reassign(view: ConsumerView, partitions: readonly StartingPartition[]): void;
  commit(view: ConsumerView, positions: readonly TopicPartitionOffset[]): Promise<void>;
}

/** What one source has of a shared client; closing it gives its partitions up, and leaves the client open. */
export class ConsumerView implements ConsumerClient {
  readonly buffer: ViewBuffer;
  readonly #shared: ViewHost;
  readonly #listener: ConsumerListener;
  /** What the next poll rejects with. */
  #failure: { readonly error: unknown } | undefined;
  #polling: Promise<unknown> | undefined;
  #closing: Promise<void> | undefined;

  constructor(shared: ViewHost, listener: ConsumerListener, buffer: ViewBuffer) {
    this.#shared = shared;
    this.#listener = listener;
    this.buffer = buffer;
  }

  get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  connect(): Promise<void> {
    return this.#shared.connect();
  }

  subscribe(subscription: Subscription): void {
    if (subscription.kind !== "assignment") {
      throw new KafkaConnectorError(
        "INVALID_SETTINGS",
        "A shared consumer reads fixed partitions only. Give an assignment.",
      );
    }
    this.addPartitions(subscription.partitions);
  }

  addPartitions(partitions: readonly StartingPartition[]): void {
    this.#requireOpen("read partitions");
    this.#shared.take(this, partitions);
  }

  async poll(options: PollOptions): Promise<RecordChunk | undefined> {
    this.#requireOpen("poll");
    if (this.#polling) {
      throw new KafkaConnectorError("POLL_FAILED", "A poll is running. Await it before the next one.");
    }
    const polling = this.#poll(options);
    this.#polling = polling.catch(() => undefined);
    try {
      return await polling;
    } finally {
      this.#polling = undefined;
    }
  }

  async #poll({ maxRecords, waitMs }: PollOptions): Promise<RecordChunk | undefined> {
    let chunk = this.buffer.take(maxRecords);
    try {
      if (chunk) this.#shared.serve();
      else await this.#shared.read(waitMs);
    } finally {
      this.#throwFailure(chunk);
    }
    chunk ??= this.buffer.take(maxRecords);
    this.#shared.steer(this);
    for (const end of this.buffer.takeEnds()) this.#listener.onPartitionEnd?.(end);
    return chunk;
  }

  #throwFailure(taken: RecordChunk | undefined): void {
    const failure = this.#failure;
    if (!failure) return;
    this.#failure = undefined;
    taken?.release();
    throw failure.error;
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.#setPaused(partitions, true);
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#setPaused(partitions, false);
  }

  #setPaused(partitions: readonly TopicPartition[], paused: boolean): void {
    if (this.isClosed) return;
    this.buffer.setPaused(partitions, paused);
    this.#shared.steer(this);
  }

  seek(positions: readonly TopicPartitionOffset[], timeoutMs: number): Promise<void> {
    return this.#shared.seek(this, positions, timeoutMs);
  }

  reassign(partitions: readonly StartingPartition[]): void {
    this.#requireOpen("fetch anew");
    this.#shared.reassign(this, partitions);
  }

  fetchedWatermarks(partition: TopicPartition): Watermarks | undefined {
    return this.#shared.client.fetchedWatermarks?.(partition);
  }

  metadata(topic: string | undefined, timeoutMs: number): Promise<ClusterMetadata> {
    return this.#shared.client.metadata(topic, timeoutMs);
  }

  async commit(positions: readonly TopicPartitionOffset[]): Promise<void> {
    this.#requireOpen("commit");
    await this.#shared.commit(this, positions);
  }

  committed(partitions: readonly TopicPartition[], timeoutMs: number): Promise<readonly TopicPartitionOffset[]> {
    return this.#shared.client.committed(partitions, timeoutMs);
  }

  watermarks(partition: TopicPartition, timeoutMs: number): Promise<Watermarks> {
    return this.#shared.client.watermarks(partition, timeoutMs);
  }

  offsetsForTimes(times: readonly TopicPartitionTime[], timeoutMs: number): Promise<readonly TopicPartitionOffset[]> {
    return this.#shared.client.offsetsForTimes(times, timeoutMs);
  }

  removePartitions(partitions: readonly TopicPartition[]): void {
    this.#shared.giveUp(this, partitions).catch((error: unknown) => this.fail(error));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#polling;
    await this.#shared.leave(this);
  }

  /** The next poll rejects with it. */
  fail(error: unknown): void {
    this.#failure = { error };
  }

  onTopicRemade(topic: string): void {
    this.#listener.onTopicRemade?.(topic);
  }

  onStatistics(json: string): void {
    this.#listener.onStatistics?.(json);
  }

  /** The client has ended. */
  onEnd(error: Error): void {
    this.#listener.onError(error);
  }

  #requireOpen(call: string): void {
    if (this.isClosed) throw closedError(call);
  }
}
