import type { Clock } from "@millrace/streams";
import type { ConsumerClient } from "../../client/port.js";
import { failedBy, KafkaConnectorError } from "../../errors/errors.js";
import type { AuditedPosition, Auditor } from "../../ledger/auditor.js";
import type { OwnedPartition, Watermark } from "../partitions/owned-partition.js";

/** First wait before a retriable commit is tried again; doubled up to the limit. */
const RETRY_MS = 50;
const RETRY_LIMIT_MS = 1000;

/** Passes with the rebalance, also where a static member is taken for another; otherwise the stream fails. */
const isRebalanced = (error: unknown): boolean => failedBy(error, "rebalanced", "memberFenced");

const isRetriable = (error: unknown): boolean =>
  error instanceof KafkaConnectorError && error.code !== "COMMIT_TIMEOUT" && (error.retriable || isRebalanced(error));

const audited = ({ owned, position, stored }: Watermark): AuditedPosition => ({
  topic: owned.topic,
  partition: owned.partition,
  epoch: owned.epoch,
  position,
  stored,
});

/** Once something of this assignment may be committed, the stored position no longer matters. */
const isOwned = ({ owned, stored }: Watermark): boolean =>
  !owned.ledger.fenced && !(stored && owned.ledger.watermark !== undefined);

interface Waiter {
  /** Also what has not changed since it was committed, and these. */
  readonly again: readonly Watermark[] | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export interface OffsetCommitterOptions {
  readonly client: Pick<ConsumerClient, "commit">;
  readonly clock: Clock;
  readonly commitTimeoutMs: number;
  /** The partitions that are owned now. */
  readonly partitions: () => Iterable<OwnedPartition>;
  readonly auditor: Pick<Auditor, "check" | "committed">;
}

/**
 * Commits the watermarks of all owned partitions, one commit at a time: what is asked for while one is under way goes
 * into the next. Positions never go back within an epoch (I7), and those of a lost partition are left out (I5, I6).
 */
export class OffsetCommitter {
  readonly #options: OffsetCommitterOptions;
  #waiters: Waiter[] = [];
  #running: Promise<void> | undefined;
  #closed = false;
  #commits = 0;
  #failures = 0;
  #lastFailure: unknown;

  constructor(options: OffsetCommitterOptions) {
    this.#options = options;
  }

  /** A commit is under way or waits: somebody has to keep polling. */
  get busy(): boolean {
    return this.#running !== undefined;
  }

  /** Commits that were acknowledged. */
  get commits(): number {
    return this.#commits;
  }

  /** What the last commit failed with; `undefined` where it did not. */
  get lastFailure(): unknown {
    return this.#lastFailure;
  }

  /** Commits that failed, after they were tried again where that could help. */
  get failures(): number {
    return this.#failures;
  }

  /**
   * Resolves once what is finished now is acknowledged; with `again`, committed positions above which nothing has
   * finished are committed once more, and those it names.
   */
  commit(again?: readonly Watermark[]): Promise<void> {
    if (this.#closed) return Promise.reject(this.#closedError());
    return new Promise((resolve, reject) => {
      this.#waiters.push({ again, resolve, reject });
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

  async #run(): Promise<void> {
    // One microtask later, so that commits asked for in one turn go together.
    await Promise.resolve();
    while (this.#waiters.length > 0) {
      const waiters = this.#waiters;
      this.#waiters = [];
      try {
        await this.#commitAll(this.#watermarks(waiters));
        this.#lastFailure = undefined;
        for (const waiter of waiters) waiter.resolve();
      } catch (error) {
        this.#failures += 1;
        this.#lastFailure = error;
        for (const waiter of waiters) waiter.reject(error);
      }
    }
    this.#running = undefined;
  }

  #watermarks(waiters: readonly Waiter[]): Watermark[] {
    const now = this.#options.clock.now();
    const again = waiters.find((waiter) => waiter.again)?.again;
    const own = [...this.#options.partitions()].flatMap((owned) => owned.watermark(now, again !== undefined) ?? []);
    return again ? [...own, ...again.filter(isOwned)] : own;
  }

  async #commitAll(wanted: readonly Watermark[]): Promise<void> {
    const { clock } = this.#options;
    const deadline = clock.now() + this.#options.commitTimeoutMs;
    let watermarks = wanted;
    for (let delayMs = RETRY_MS; watermarks.length > 0; delayMs = Math.min(2 * delayMs, RETRY_LIMIT_MS)) {
      this.#options.auditor.check(watermarks.map(audited));
      try {
        await this.#attempt(watermarks, deadline);
        this.#acknowledged(watermarks);
        return;
      } catch (error) {
        if (failedBy(error, "metadataTooLarge") && watermarks.some(({ metadata }) => metadata !== undefined)) {
          for (const { owned } of watermarks) owned.commit.forgetFinished();
          watermarks = watermarks.map((watermark) => ({ ...watermark, metadata: undefined }));
          continue;
        }
        // What is being given up will not be owned in the next generation either.
        if (isRebalanced(error)) watermarks = watermarks.filter(({ owned }) => !owned.retired);
        // A refusal no longer matters once all its partitions are lost: another consumer commits them now.
        if (!watermarks.some(isOwned)) return;
        if (!isRetriable(error) || clock.now() + delayMs > deadline) throw error;
      }
      await new Promise<void>((resolve) => clock.schedule(delayMs, resolve));
      // 1. The group rebalances; 2. the broker refuses the commit; 3. what is revoked meanwhile is its next owner's
      // affair, and what was kept is committed under the new generation.
      watermarks = watermarks.filter(isOwned);
    }
  }

  #acknowledged(watermarks: readonly Watermark[]): void {
    for (const watermark of watermarks) if (!watermark.stored) watermark.owned.commitAcknowledged(watermark);
    this.#options.auditor.committed(watermarks.map(audited));
    this.#commits += 1;
  }

  #attempt(watermarks: readonly Watermark[], deadline: number): Promise<void> {
    const { client, clock, commitTimeoutMs } = this.#options;
    const request = watermarks.map(({ owned: { topic, partition }, position, metadata }) =>
      metadata === undefined
        ? { topic, partition, offset: position }
        : { topic, partition, offset: position, metadata },
    );
    return new Promise((resolve, reject) => {
      let late = false;
      const timer = clock.schedule(Math.max(0, deadline - clock.now()), () => {
        late = true;
        reject(
          new KafkaConnectorError(
            "COMMIT_TIMEOUT",
            `No answer to a commit of ${watermarks.length} partitions within ${commitTimeoutMs} ms; it may still succeed. Check the group's coordinator, or raise commitTimeoutMs.`,
          ),
        );
      });
      const answered = (): void => {
        // The caller knows that it may still succeed; reports say from now on that it did.
        if (late) this.#acknowledged(watermarks);
        resolve();
      };
      client
        .commit(request)
        .then(answered, reject)
        .finally(() => timer.cancel());
    });
  }
}
