import type { Cancellable, Clock } from "@millrace/streams";
import type { ParsedCommitter } from "../settings.js";
import type { FlowControl } from "./flow-control.js";
import type { OwnedPartition } from "./owned-partition.js";

/** Wait before a commit that is due while another is under way. */
const NEXT_COMMIT_MS = 5;

export interface CommitScheduleOptions {
  readonly clock: Clock;
  readonly flow: FlowControl;
  /** A budget of replays is set: `records`, `ms` or both. */
  readonly maxReplay: { readonly records?: number | undefined; readonly ms?: number | undefined };
  /** Something has finished since the last commit. */
  readonly hasFinished: () => boolean;
  readonly isCommitting: () => boolean;
  readonly commit: () => Promise<void>;
  readonly onFailure: (error: unknown) => void;
}

/**
 * When to commit. Committers in the stream decide for themselves and are only told to hurry; where there are none, as on
 * the followed surface, finished work is committed from here, by number and by time.
 */
export class CommitSchedule {
  readonly #options: CommitScheduleOptions;
  readonly #flushes = new Set<() => void>();
  #settings: ParsedCommitter | undefined;
  #timer: Cancellable | undefined;
  #replayTimer: Cancellable | undefined;

  constructor(options: CommitScheduleOptions) {
    this.#options = options;
  }

  /** Commits from here. */
  begin(settings: ParsedCommitter): void {
    this.#settings = settings;
  }

  get begun(): boolean {
    return this.#settings !== undefined;
  }

  /** `flush` is called when what a committer has gathered should come at once, until the answer is called. */
  onHurry(flush: () => void): () => void {
    this.#flushes.add(flush);
    return () => void this.#flushes.delete(flush);
  }

  /** Records were delivered: at half of the budget of replays, what is finished has to be committed. */
  delivered(now: number): void {
    const { ms } = this.#options.maxReplay;
    if (this.#options.flow.isShort(now)) this.hurry();
    if (ms === undefined) return;
    this.#replayTimer ??= this.#options.clock.schedule(ms / 2, () => {
      this.#replayTimer = undefined;
      this.#hurryIfShort();
    });
  }

  /** A claim has ended. */
  ended(owned: OwnedPartition): void {
    if (!this.#settings) return;
    if (owned.ledger.uncommitted >= this.#settings.maxBatch) this.#commitSoon();
    else this.#commitWithin(this.#settings.maxIntervalMs);
    const { records, ms } = this.#options.maxReplay;
    if (records !== undefined || ms !== undefined) this.#hurryIfShort();
  }

  hurry(): void {
    for (const flush of this.#flushes) flush();
    if (this.#settings && this.#options.hasFinished()) this.#commitSoon();
  }

  /** A commit begins, of everything that is finished. */
  committing(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  close(): void {
    this.committing();
    this.#replayTimer?.cancel();
  }

  #hurryIfShort(): void {
    if (this.#options.flow.isShort(this.#options.clock.now())) this.hurry();
  }

  #commitWithin(delayMs: number): void {
    this.#timer ??= this.#options.clock.schedule(delayMs, () => {
      this.#timer = undefined;
      this.#commitSoon();
    });
  }

  #commitSoon(): void {
    // What is finished by then goes into the next one.
    if (this.#options.isCommitting()) this.#commitWithin(NEXT_COMMIT_MS);
    else this.#options.commit().catch(this.#options.onFailure);
  }
}
