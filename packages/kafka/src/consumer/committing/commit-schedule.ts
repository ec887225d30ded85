import type { Cancellable, Clock, Logger } from "@millrace/streams";
import type { ParsedCommitter } from "../../settings/committer-settings.js";
import type { FlowControl } from "../reading/flow-control.js";
import type { SessionLife } from "../partitions/session-life.js";
import type { Assignment } from "../partitions/assignment.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";

/** Wait before a commit that is due while another is under way. */
const NEXT_COMMIT_MS = 5;

/** How long the end of a partition, above what is committed, waits for a commit by a committer in the stream. */
const END_COMMIT_MS = 1000;

export interface CommitScheduleOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly flow: FlowControl;
  /** A budget of replays is set: `records`, `ms` or both. */
  readonly maxReplay: { readonly records?: number | undefined; readonly ms?: number | undefined };
  readonly assignment: Pick<Assignment, "hasNews">;
  readonly commits: {
    /** A commit is under way or waits. */
    readonly busy: boolean;
    now(): Promise<void>;
    /** Commits again what is committed. */
    refresh(): Promise<void>;
  };
  readonly life: Pick<SessionLife, "fail">;
}

/**
 * When to commit. Committers in the stream decide for themselves and are only asked to hurry; where there are none, as
 * in sources with context, finished work is committed from here, by number and by time.
 */
export class CommitSchedule {
  readonly #options: CommitScheduleOptions;
  readonly #flushes = new Set<() => void>();
  #settings: ParsedCommitter | undefined;
  #timer: Cancellable | undefined;
  /** A commit is due, and waits for the one under way only. */
  #isDue = false;
  #replayTimer: Cancellable | undefined;
  #endTimer: Cancellable | undefined;
  #refreshMs = Number.POSITIVE_INFINITY;
  #refreshTimer: Cancellable | undefined;
  /** A commit that is not awaited has failed. */
  #failed = false;
  #closed = false;

  constructor(options: CommitScheduleOptions) {
    this.#options = options;
  }

  /** Commits from here. */
  begin(settings: ParsedCommitter): void {
    this.#settings = settings;
    if (settings.refreshIntervalMs !== undefined) this.refreshEvery(settings.refreshIntervalMs);
  }

  get begun(): boolean {
    return this.#settings !== undefined;
  }

  /** What is finished and not committed when the consumer closes is to be committed from here. */
  get owesCommit(): boolean {
    return this.begun || this.#failed;
  }

  /** Committed positions are committed again at this interval, or at the shortest of several. */
  refreshEvery(intervalMs: number): void {
    if (intervalMs >= this.#refreshMs || this.#closed) return;
    this.#refreshMs = intervalMs;
    this.#refreshTimer?.cancel();
    const { clock, logger, commits } = this.#options;
    const again = (): void => {
      this.#refreshTimer = clock.schedule(this.#refreshMs, again);
      // What is committed stays so, and there is a next time.
      commits
        .refresh()
        .catch((error: unknown) => logger.warn("kafka consumer: positions could not be refreshed", { error }));
    };
    this.#refreshTimer = clock.schedule(intervalMs, again);
  }

  /** Settles with a commit; a failure is only logged if the commit is not awaited. */
  async settle(commit: Promise<void>): Promise<void> {
    const forgets = this.#failed || this.#settings?.delivery === "sendAndForget";
    await (forgets ? this.logFailure(commit) : commit);
  }

  /** Resolves with a commit, also when it fails, which is logged; it is tried once more when the consumer closes. */
  async logFailure(commit: Promise<unknown>): Promise<void> {
    try {
      await commit;
      this.#failed = false;
    } catch (error) {
      this.#failed = true;
      this.#options.logger.warn("kafka consumer: a commit failed, and the stream goes on", { error });
    }
  }

  /** Calls `flush` when a committer should commit at once what it has gathered; returns what ends this. */
  onHurry(flush: () => void): () => void {
    this.#flushes.add(flush);
    return () => void this.#flushes.delete(flush);
  }

  /** Records were delivered: at half of the budget of replays, what is finished has to be committed. */
  delivered(now: number): void {
    const { ms } = this.#options.maxReplay;
    if (this.#options.flow.isShort(now)) this.hurry();
    if (ms !== undefined && !this.#replayTimer) this.#lookAtReplays(ms, ms / 2);
  }

  /** Looks by timer: records may have been delivered long ago, with no later delivery or end to notice that. */
  #lookAtReplays(budgetMs: number, delayMs: number): void {
    const { clock, flow } = this.#options;
    this.#replayTimer = clock.schedule(delayMs, () => {
      this.#replayTimer = undefined;
      if (this.#isShort) this.hurry();
      const since = flow.replaysSince;
      if (since === undefined) return;
      // Where half has passed already, a commit is on its way, or records are not finished.
      this.#lookAtReplays(budgetMs, Math.max(since + budgetMs / 2 - clock.now(), budgetMs / 10));
    });
  }

  /** A claim has ended. */
  ended(owned: OwnedPartition): void {
    if (!this.#settings) return;
    if (this.#isShort) this.hurry();
    else if (owned.ledger.uncommitted >= this.#settings.maxBatch) this.#commitSoon();
    else this.#commitWithin(this.#settings.maxIntervalMs);
  }

  /** More of it can be committed than before, though no claim has ended. */
  reachedEnd(owned: OwnedPartition): void {
    if (this.#settings) return this.ended(owned);
    // A committer in the stream commits when something ends, and nothing may.
    this.#endTimer ??= this.#options.clock.schedule(END_COMMIT_MS, () => {
      this.#endTimer = undefined;
      if (this.#options.assignment.hasNews) void this.logFailure(this.#options.commits.now());
    });
  }

  hurry(): void {
    for (const flush of this.#flushes) flush();
    if (this.#settings && this.#options.assignment.hasNews) this.#commitSoon();
  }

  /** A commit failed, whoever asked for it: it is asked for again, since no later end of a claim may do so. */
  commitFailed(): void {
    if (this.#settings && !this.#closed && this.#options.assignment.hasNews)
      this.#commitWithin(this.#settings.maxIntervalMs);
  }

  /** A commit begins, of everything that is finished. */
  committing(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#isDue = false;
  }

  close(): void {
    this.#closed = true;
    this.committing();
    this.#replayTimer?.cancel();
    this.#refreshTimer?.cancel();
    this.#endTimer?.cancel();
  }

  /** Half of the budget of replays is used up. */
  get #isShort(): boolean {
    const { clock, flow, maxReplay } = this.#options;
    return (maxReplay.records !== undefined || maxReplay.ms !== undefined) && flow.isShort(clock.now());
  }

  #commitWithin(delayMs: number): void {
    this.#timer ??= this.#options.clock.schedule(delayMs, () => {
      this.committing();
      this.#commitSoon();
    });
  }

  #commitSoon(): void {
    if (!this.#options.commits.busy) {
      this.settle(this.#options.commits.now()).catch((error: unknown) => this.#options.life.fail(error));
      return;
    }
    // What is finished by then goes into the next one, which is not to wait for its interval.
    if (this.#isDue) return;
    this.committing();
    this.#commitWithin(NEXT_COMMIT_MS);
    this.#isDue = true;
  }
}
