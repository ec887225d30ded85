import type { Clock, Logger } from "@millrace/streams";
import type { TopicPartition } from "../../client/port.js";
import type { RenewableClient } from "../../client/renewable-client.js";
import type { Auditor } from "../../ledger/auditor.js";
import type { CommitResult } from "../../offsets/commit-result.js";
import type { OffsetOwner, PositionToCommit } from "../../offsets/committable-offset.js";
import type { ParsedCommitter } from "../../settings/committer-settings.js";
import type { ParsedConsumer } from "../../settings/parse-consumer.js";
import type { Assignment } from "../partitions/assignment.js";
import { ClaimsEnded } from "../partitions/claims-ended.js";
import type { OwnedPartition, Watermark } from "../partitions/owned-partition.js";
import type { SessionLife } from "../partitions/session-life.js";
import type { ReadLoop } from "../reading/read-loop.js";
import { commitResult } from "./commit-results.js";
import { CommitSchedule } from "./commit-schedule.js";
import { OffsetCommitter } from "./offset-committer.js";
import { storedPositions } from "./stored-positions.js";

export interface CommitsOptions {
  readonly settings: Pick<ParsedConsumer, "groupId" | "commitTimeoutMs" | "revokeTimeoutMs" | "maxReplay">;
  readonly client: Pick<RenewableClient, "commit" | "committed">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly life: SessionLife;
  readonly auditor: Auditor;
  readonly assignment: Assignment;
  readonly reading: ReadLoop;
}

/** Every commit of a session goes through here: what the stream asks for, what is due, and what is left at an end. */
export class Commits implements OffsetOwner {
  readonly groupId: string;
  readonly #options: CommitsOptions;
  readonly #committer: OffsetCommitter;
  readonly #schedule: CommitSchedule;
  readonly #claimsEnded: ClaimsEnded;

  constructor(options: CommitsOptions) {
    this.#options = options;
    const { settings, client, clock, logger, life, auditor, assignment, reading } = options;
    const { commitTimeoutMs, maxReplay } = settings;
    this.groupId = settings.groupId;
    this.#claimsEnded = new ClaimsEnded(clock, settings.revokeTimeoutMs);
    const partitions = (): Iterable<OwnedPartition> => assignment.partitions;
    this.#committer = new OffsetCommitter({ client, clock, commitTimeoutMs, partitions, auditor });
    this.#schedule = new CommitSchedule({
      ...{ clock, logger, flow: reading.flow, maxReplay, life, assignment },
      commits: this,
    });
  }

  /** Commits everything that is finished now; with `again` also what is committed already, and these positions. */
  now(again?: readonly Watermark[]): Promise<void> {
    this.#schedule.committing();
    const committed = this.#committer.commit(again);
    committed.catch(() => this.#schedule.commitFailed());
    // Only a poll serves the answer.
    this.#options.reading.wake();
    return committed;
  }

  /** Commits again what is committed. */
  async refresh(): Promise<void> {
    const { client, assignment, settings } = this.#options;
    await this.now(await storedPositions(client, assignment.partitions, settings.commitTimeoutMs));
  }

  /** On request: commits everything that is finished now, and from now on. */
  asked(): Promise<void> {
    this.#options.assignment.commits();
    return this.now();
  }

  async commit(positions: readonly PositionToCommit[]): Promise<readonly CommitResult[]> {
    const { assignment, life } = this.#options;
    const asked = positions.map((each) => {
      const owned = assignment.get(each);
      if (owned?.epoch !== each.epoch) return undefined;
      owned.endThrough(each.position - 1, each.metadata);
      return owned;
    });
    if (!life.isClosed || !life.hasFailed) await this.asked();
    return positions.map((each, index) => commitResult(this.groupId, each, asked[index]));
  }

  async tell(positions: readonly PositionToCommit[]): Promise<void> {
    await this.#schedule.logFailure(this.commit(positions));
  }

  /** Finished work is committed from here, by number and by time: of `only`, or of everything. */
  begin(settings: ParsedCommitter, only?: OwnedPartition): void {
    (only ?? this.#options.assignment).commits();
    this.#schedule.begin(settings);
  }

  get begun(): boolean {
    return this.#schedule.begun;
  }

  /** Commits what is finished at an end; a failure is only logged if commits are not awaited. */
  remaining(): Promise<void> {
    return this.#schedule.settle(this.now());
  }

  /** Something is finished that is to be committed from here, and the consumer has not failed. */
  get owed(): boolean {
    const { life, assignment } = this.#options;
    return this.#schedule.owesCommit && !life.failure && assignment.hasNews;
  }

  /** Nothing of these is on its way to a committer: what is unfinished was dropped on purpose and counts as done. */
  discardUnfinished(partitions: Iterable<OwnedPartition>): void {
    const { life } = this.#options;
    if (life.isOver || life.failure) return;
    const discarded = [...partitions].filter((owned) => owned.discardUnfinished());
    if (discarded.length > 0) void this.#schedule.logFailure(this.asked());
  }

  refreshEvery(intervalMs: number): void {
    this.#schedule.refreshEvery(intervalMs);
  }

  owns(partition: TopicPartition, epoch: number): boolean {
    return this.#options.assignment.get(partition)?.epoch === epoch;
  }

  get hurried(): boolean {
    const { reading, clock } = this.#options;
    return this.#claimsEnded.waiting || reading.flow.isShort(clock.now());
  }

  onHurry(flush: () => void): () => void {
    return this.#schedule.onHurry(flush);
  }

  /** What is gathered and finished is to be committed soon. */
  hurry(): void {
    this.#schedule.hurry();
  }

  /** Records were delivered. */
  delivered(now: number): void {
    this.#schedule.delivered(now);
  }

  /** A claim has ended. */
  ended(owned: OwnedPartition): void {
    if (owned.retired || owned.isHeld) this.#claimsEnded.check();
    this.#schedule.ended(owned);
  }

  /** Some claims will never end, or the session is over: those who wait for claims look again. */
  check(): void {
    this.#claimsEnded.check();
  }

  /**
   * Hurries, until every claim of these has ended, the time of a revocation is over, or the session is. Not a turn
   * later: what is committed then goes together with what the last claim asks for.
   */
  untilEnded(partitions: readonly OwnedPartition[]): Promise<void> {
    const ended = this.#claimsEnded.untilEnded(partitions, () => this.#options.life.isOver);
    this.hurry();
    this.check();
    return ended;
  }

  /** Resolves when `work` has settled, either way, or after `timeoutMs`. */
  within(timeoutMs: number, work: Promise<unknown>): Promise<void> {
    return this.#claimsEnded.within(timeoutMs, work);
  }

  /** More of it can be committed than before, though no claim has ended. */
  reachedEnd(owned: OwnedPartition): void {
    this.#schedule.reachedEnd(owned);
  }

  /** A commit is under way or waits. */
  get busy(): boolean {
    return this.#committer.busy;
  }

  /** Resolves when none is under way any more. */
  settled(): Promise<void> {
    return this.#committer.settled();
  }

  /** Acknowledged and failed commits, and what the last one failed with. */
  get counts(): { readonly commits: number; readonly failedCommits: number; readonly lastFailure: unknown } {
    const { commits, failures, lastFailure } = this.#committer;
    return { commits, failedCommits: failures, lastFailure };
  }

  /** Later commits are refused. */
  close(): void {
    this.#committer.close();
    this.#schedule.close();
  }
}
