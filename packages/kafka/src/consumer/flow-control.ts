import type { ConsumerClient } from "../client/port.js";
import { placeOf } from "../partition-key.js";
import type { OwnedPartition } from "./owned-partition.js";
import type { UserPauses } from "./user-pauses.js";

export interface FlowLimits {
  /** Every partition is read into a stream of its own, so `maxBufferedRecords` holds for each by itself. */
  readonly partitioned: boolean;
  /** Records read ahead of the stream, over all partitions that may deliver. */
  readonly maxBufferedRecords: number;
  /** Claims end by themselves. Where offsets are carried instead, the stream's own buffers are the bound. */
  readonly followed: boolean;
  /** Delivered records of one partition that are not finished, or wait for an older one. */
  readonly maxInFlight: number;
  readonly maxInFlightTotal: number;
  readonly maxReplay: { readonly records?: number | undefined; readonly ms?: number | undefined };
}

/**
 * Says how much may be delivered and read, and pauses what must not be read. A pause makes the client throw its prefetch
 * away, so a partition is paused only at its bound and resumed at half of it.
 */
export class FlowControl {
  readonly #limits: FlowLimits;
  readonly #client: Pick<ConsumerClient, "pause" | "resume">;
  readonly #partitions: () => Iterable<OwnedPartition>;
  readonly #userPauses: UserPauses;
  readonly #paused = new Set<OwnedPartition>();

  constructor(
    limits: FlowLimits,
    client: Pick<ConsumerClient, "pause" | "resume">,
    partitions: () => Iterable<OwnedPartition>,
    userPauses: UserPauses,
  ) {
    this.#limits = limits;
    this.#client = client;
    this.#partitions = partitions;
    this.#userPauses = userPauses;
  }

  isPaused(partition: OwnedPartition): boolean {
    return this.#paused.has(partition);
  }

  isPausedByUser(partition: OwnedPartition): boolean {
    return this.#userPauses.has(partition.key);
  }

  /** Records that wait in partitions which may deliver. */
  get buffered(): number {
    let buffered = 0;
    for (const owned of this.#partitions()) if (!this.#isHeld(owned)) buffered += owned.buffered;
    return buffered;
  }

  /** Records of `owned` that may be delivered before it is at its bound. */
  room(owned: OwnedPartition): number {
    if (owned.retired || owned.isHeld || this.#userPauses.has(owned.key)) return 0;
    return this.#limits.followed ? this.#limits.maxInFlight - owned.span : Number.POSITIVE_INFINITY;
  }

  /** Records that may be delivered before all partitions together are at a bound. */
  totalRoom(now: number): number {
    const { followed, maxInFlightTotal, maxReplay } = this.#limits;
    const { span, replays, since } = this.#sums(now);
    if (maxReplay.ms !== undefined && now - since >= maxReplay.ms) return 0;
    const unfinished = followed ? maxInFlightTotal - span : Number.POSITIVE_INFINITY;
    return Math.min(unfinished, (maxReplay.records ?? Number.POSITIVE_INFINITY) - replays);
  }

  /** Half of the budget of replays is used up: what is finished should be committed now. */
  isShort(now: number): boolean {
    const { records, ms } = this.#limits.maxReplay;
    if (records === undefined && ms === undefined) return false;
    const { replays, since } = this.#sums(now);
    return (records !== undefined && replays >= records / 2) || (ms !== undefined && now - since >= ms / 2);
  }

  /** Nothing more of it may be read: it delivers nothing, or has enough to deliver. */
  #isHeld(owned: OwnedPartition): boolean {
    const { partitioned, maxBufferedRecords } = this.#limits;
    return this.room(owned) <= 0 || owned.isComplete || (partitioned && owned.buffered >= maxBufferedRecords);
  }

  /** Half of what holds it is gone. */
  #mayGoOn(owned: OwnedPartition): boolean {
    const { partitioned, maxBufferedRecords, maxInFlight } = this.#limits;
    if (owned.isComplete) return false;
    return this.room(owned) >= maxInFlight / 2 && (!partitioned || owned.buffered <= maxBufferedRecords / 2);
  }

  #sums(now: number): { readonly span: number; readonly replays: number; readonly since: number } {
    let span = 0;
    let replays = 0;
    let since = now;
    for (const owned of this.#partitions()) {
      span += owned.span;
      replays += owned.ledger.replays;
      since = Math.min(since, owned.replaysSince ?? now);
    }
    return { span, replays, since };
  }

  /** Pauses and resumes so that the client reads just what may be read; `all` pauses everything. */
  apply(all: boolean): void {
    const pause: OwnedPartition[] = [];
    const resume: OwnedPartition[] = [];
    for (const owned of this.#partitions()) {
      if (this.#paused.has(owned)) {
        if (!all && this.#mayGoOn(owned)) resume.push(owned);
      } else if (all || this.#isHeld(owned)) pause.push(owned);
    }
    for (const owned of pause) this.#paused.add(owned);
    for (const owned of resume) this.#paused.delete(owned);
    if (pause.length > 0) this.#client.pause(pause.map(placeOf));
    if (resume.length > 0) this.#client.resume(resume.map(placeOf));
  }

  /** The same partition goes on from elsewhere: the client keeps a pause of it. */
  replace(before: OwnedPartition, after: OwnedPartition): void {
    if (this.#paused.delete(before)) this.#paused.add(after);
  }

  /** The client may have forgotten its pauses. */
  pauseAgain(): void {
    if (this.#paused.size > 0) this.#client.pause([...this.#paused].map(placeOf));
  }

  /** They are given up. A client may remember a pause until it is assigned them again, so none is left behind. */
  forget(partitions: readonly OwnedPartition[]): void {
    const paused = partitions.filter((owned) => this.#paused.delete(owned));
    if (paused.length > 0) this.#client.resume(paused.map(placeOf));
  }
}
