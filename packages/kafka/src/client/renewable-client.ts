import type { Clock, Logger } from "@millrace/streams";
import { KafkaConnectorError } from "../errors/errors.js";
import { HeldPositions } from "./held-positions.js";
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
} from "./port.js";

/** How long a new client waits for the old one to leave; what takes longer goes on beside it. */
const CLOSE_MS = 10_000;

export interface RenewableOptions {
  readonly make: (listener: ConsumerListener) => ConsumerClient;
  readonly listener: ConsumerListener;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long committed positions are asked for again where they cannot be read. */
  readonly heldForMs: number;
}

/**
 * A consumer client that can be exchanged for a new one while its owner keeps it.
 *
 * `renew`: 1. everything is lost to the listener, so that nothing of it can be committed; 2. the listener hears no more of
 * the old client; 3. that one leaves its group and closes, and is awaited for a while; 4. a new one connects and subscribes.
 */
export class RenewableClient implements ConsumerClient {
  readonly #options: RenewableOptions;
  readonly #held: HeldPositions;
  #client: ConsumerClient;
  #generation = 0;
  #closing: Promise<void> | undefined;
  /** Of those that were not answered. */
  readonly #commits = new Set<(error: Error) => void>();
  /** Old clients that have not closed yet. */
  readonly #leaving = new Set<Promise<unknown>>();

  constructor(options: RenewableOptions) {
    this.#options = options;
    this.#held = new HeldPositions({ ...options, isOver: () => this.#closing !== undefined });
    this.#client = options.make(this.#listenerOf(0));
  }

  /** Passes the client's events to the owner while it is the current one. */
  #listenerOf(generation: number): ConsumerListener {
    const { listener } = this.#options;
    const isCurrent = (): boolean => generation === this.#generation;
    return {
      onAssign: (partitions) => (isCurrent() ? listener.onAssign(partitions) : undefined),
      startOf: (partition) => listener.startOf?.(partition),
      onRevoke: (partitions) => (isCurrent() ? listener.onRevoke(partitions) : undefined),
      onError: (error) => {
        if (isCurrent()) listener.onError(error);
      },
      ...(listener.onLost && {
        onLost: (partitions: readonly TopicPartition[]) => (isCurrent() ? listener.onLost?.(partitions) : undefined),
      }),
      ...(listener.onPartitionEnd && {
        onPartitionEnd: (end: TopicPartitionOffset) => {
          if (isCurrent()) listener.onPartitionEnd?.(end);
        },
      }),
      onTopicRemade: (topic) => {
        if (isCurrent()) listener.onTopicRemade?.(topic);
      },
      ...(listener.onStatistics && {
        onStatistics: (json: string) => {
          if (isCurrent()) listener.onStatistics?.(json);
        },
      }),
    };
  }

  /**
   * Never while a poll runs. Rejects where the new client cannot connect; then there is none. `subscription` is called
   * once it has connected.
   */
  async renew(assigned: readonly TopicPartition[], subscription: () => Promise<Subscription>): Promise<void> {
    const { listener, make } = this.#options;
    if (assigned.length > 0) await listener.onLost?.(assigned);
    if (this.#closing) return;
    this.#generation += 1;
    this.#abandonCommits();
    await this.#leave(this.#client);
    if (this.#closing) return;
    this.#client = make(this.#listenerOf(this.#generation));
    await this.connect();
    const wanted = await subscription();
    if (!this.#closing) this.subscribe(wanted);
  }

  /** The old client may never answer them. */
  #abandonCommits(): void {
    const text = "The client was exchanged before the commit was answered; it may be stored.";
    for (const abandon of this.#commits) abandon(new KafkaConnectorError("COMMIT_FAILED", text, { retriable: true }));
  }

  async #leave(client: ConsumerClient): Promise<void> {
    const { clock, logger } = this.#options;
    const left = client
      .close()
      .catch((error: unknown) => logger.warn("kafka consumer: old client failed to close cleanly", { error }));
    this.#leaving.add(left);
    void left.then(() => this.#leaving.delete(left));
    await new Promise<void>((resolve) => {
      const timer = clock.schedule(CLOSE_MS, resolve);
      void left.then(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  connect(): Promise<void> {
    return this.#client.connect();
  }

  subscribe(subscription: Subscription): void {
    this.#client.subscribe(subscription);
  }

  poll(options: PollOptions): Promise<RecordChunk | undefined> {
    return this.#client.poll(options);
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.#client.pause(partitions);
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#client.resume(partitions);
  }

  seek(positions: readonly TopicPartitionOffset[], timeoutMs: number): Promise<void> {
    return this.#client.seek(positions, timeoutMs);
  }

  /** How long committed positions have been asked for without success. */
  positionsHeldMs(now: number): number | undefined {
    return this.#held.waitingFor(now);
  }

  /** Not every driver can. */
  get canReassign(): boolean {
    return this.#client.reassign !== undefined;
  }

  reassign(partitions: readonly StartingPartition[]): void {
    this.#client.reassign?.(partitions);
  }

  fetchedWatermarks(partition: TopicPartition): Watermarks | undefined {
    return this.#client.fetchedWatermarks?.(partition);
  }

  async commit(positions: readonly TopicPartitionOffset[]): Promise<void> {
    let abandon: (error: Error) => void = () => undefined;
    const abandoned = new Promise<never>((_, reject) => (abandon = reject));
    this.#commits.add(abandon);
    try {
      await Promise.race([this.#client.commit(positions), abandoned]);
    } finally {
      this.#commits.delete(abandon);
    }
  }

  committed(partitions: readonly TopicPartition[], timeoutMs: number): Promise<readonly TopicPartitionOffset[]> {
    return this.#held.committed(() => this.#client, partitions, timeoutMs);
  }

  /** `committed`, once: also where a transaction may hold them. */
  committedOnce(partitions: readonly TopicPartition[], timeoutMs: number): Promise<readonly TopicPartitionOffset[]> {
    return this.#client.committed(partitions, timeoutMs);
  }

  watermarks(partition: TopicPartition, timeoutMs: number): Promise<Watermarks> {
    return this.#client.watermarks(partition, timeoutMs);
  }

  offsetsForTimes(times: readonly TopicPartitionTime[], timeoutMs: number): Promise<readonly TopicPartitionOffset[]> {
    return this.#client.offsetsForTimes(times, timeoutMs);
  }

  metadata(topic: string | undefined, timeoutMs: number): Promise<ClusterMetadata> {
    return this.#client.metadata(topic, timeoutMs);
  }

  addPartitions(partitions: readonly StartingPartition[]): void {
    this.#client.addPartitions(partitions);
  }

  removePartitions(partitions: readonly TopicPartition[]): void {
    this.#client.removePartitions(partitions);
  }

  /** Closes the current client, and waits for old ones that are still leaving. */
  close(options?: { readonly hurry?: boolean }): Promise<void> {
    this.#closing ??= this.#close(options);
    if (options?.hurry) this.#client.close(options).catch(() => undefined);
    return this.#closing;
  }

  async #close(options?: { readonly hurry?: boolean }): Promise<void> {
    const closed = this.#client.close(options);
    await Promise.allSettled([closed, ...this.#leaving]);
    await closed;
  }
}
