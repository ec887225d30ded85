import type { ConsumerClient } from "../client/port.js";
import { laterPosition, type PositionToCommit } from "../committable-offset.js";
import { KafkaConnectorError } from "../errors.js";
import { partitionKey } from "../partition-key.js";

/** First wait before a retriable commit is tried again; doubled up to the limit. */
const RETRY_MS = 50;
const RETRY_LIMIT_MS = 1000;

/** Kafka's codes for a generation the group has left behind, and a member it does not know: both pass with the rebalance. */
const REBALANCED: readonly (number | undefined)[] = [22, 25];

const isRetriable = (error: unknown): boolean =>
  error instanceof KafkaConnectorError &&
  error.code !== "COMMIT_TIMEOUT" &&
  (error.retriable || REBALANCED.includes(error.clientCode));

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export interface OffsetCommitterOptions {
  readonly client: Pick<ConsumerClient, "commit">;
  readonly commitTimeoutMs: number;
  /** Whether this consumer still owns the partition under that epoch. */
  readonly owns: (position: PositionToCommit) => boolean;
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Commits one batch at a time: what is asked for while a commit is under way goes into the next, at the highest position
 * of each partition. Positions never go back within an epoch (I7), and those of a lost partition are left out (I5, I6).
 */
export class OffsetCommitter {
  readonly #options: OffsetCommitterOptions;
  readonly #committed = new Map<string, PositionToCommit>();
  /** The last position sent for each partition, whatever the answer. */
  readonly #sent = new Map<string, PositionToCommit>();
  #next = new Map<string, PositionToCommit>();
  #waiters: Waiter[] = [];
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(options: OffsetCommitterOptions) {
    this.#options = options;
  }

  /** A commit is under way or waits: somebody has to keep polling. */
  get busy(): boolean {
    return this.#running !== undefined;
  }

  /** Resolves once the positions, or higher ones, are acknowledged. */
  commit(positions: readonly PositionToCommit[]): Promise<void> {
    if (this.#closed) return Promise.reject(this.#closedError());
    for (const position of positions) this.#add(position);
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Resolves when nothing is under way any more, whether it succeeded or not. */
  async settled(): Promise<void> {
    while (this.#running) await this.#running;
  }

  /** Later commits are refused. */
  close(): void {
    this.#closed = true;
  }

  #closedError(): KafkaConnectorError {
    return new KafkaConnectorError(
      "CONSUMER_CLOSED",
      "The consumer is closed, so its offsets can no longer be committed; the records will be read again. Use drainAndShutdown() to commit first.",
    );
  }

  #add(position: PositionToCommit): void {
    const key = partitionKey(position);
    const known = this.#next.get(key);
    this.#next.set(key, known ? laterPosition(known, position) : position);
  }

  /** What is still worth committing: owned, and above what is committed. */
  #take(): PositionToCommit[] {
    const taken: PositionToCommit[] = [];
    for (const [key, asked] of this.#next) {
      if (!this.#options.owns(asked)) continue;
      // A commit that failed may have been stored all the same, so what was sent once is never gone below.
      const sent = this.#sent.get(key);
      const position = sent ? laterPosition(sent, asked) : asked;
      const committed = this.#committed.get(key);
      if (committed?.epoch !== position.epoch || position.position > committed.position) taken.push(position);
    }
    this.#next = new Map();
    return taken;
  }

  async #run(): Promise<void> {
    // One microtask later, so that commits asked for in one turn go together.
    await Promise.resolve();
    while (this.#waiters.length > 0) {
      const waiters = this.#waiters;
      this.#waiters = [];
      try {
        await this.#commitAll(this.#take());
        for (const waiter of waiters) waiter.resolve();
      } catch (error) {
        for (const waiter of waiters) waiter.reject(error);
      }
    }
    this.#running = undefined;
  }

  async #commitAll(wanted: readonly PositionToCommit[]): Promise<void> {
    const deadline = performance.now() + this.#options.commitTimeoutMs;
    let positions = wanted;
    for (let delayMs = RETRY_MS; positions.length > 0; delayMs = Math.min(2 * delayMs, RETRY_LIMIT_MS)) {
      try {
        await this.#attempt(positions, deadline);
        for (const position of positions) this.#committed.set(partitionKey(position), position);
        return;
      } catch (error) {
        // A refusal concerns nobody once every partition of it is lost: another consumer answers for them now.
        if (!positions.some(this.#options.owns)) return;
        if (!isRetriable(error) || performance.now() + delayMs > deadline) throw error;
      }
      await wait(delayMs);
      // 1. The group rebalances; 2. the broker refuses the commit; 3. what is revoked meanwhile is its next owner's affair,
      // and what was kept is committed under the new generation.
      positions = positions.filter(this.#options.owns);
    }
  }

  #attempt(positions: readonly PositionToCommit[], deadline: number): Promise<void> {
    for (const position of positions) this.#sent.set(partitionKey(position), position);
    const request = positions.map(({ topic, partition, position, metadata }) =>
      metadata === undefined
        ? { topic, partition, offset: position }
        : { topic, partition, offset: position, metadata },
    );
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () =>
          reject(
            new KafkaConnectorError(
              "COMMIT_TIMEOUT",
              `No answer to a commit of ${positions.length} partitions within ${this.#options.commitTimeoutMs} ms; it may still succeed. Check the group's coordinator, or raise commitTimeoutMs.`,
            ),
          ),
        Math.max(0, deadline - performance.now()),
      );
      this.#options.client
        .commit(request)
        .then(resolve, reject)
        .finally(() => clearTimeout(timer));
    });
  }
}
