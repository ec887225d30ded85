import type { ConsumerClient } from "../../client/port.js";
import { partitionOf } from "../../client/partition-key.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";
import { UserPauses } from "./user-pauses.js";

export interface FlowLimits {
  /** Every partition is read into a stream of its own, so `maxBufferedRecords` holds for each by itself. */
  readonly partitioned: boolean;
  /** Records of one read, at most. */
  readonly maxPollRecords: number;
  /** Records read ahead of the stream, over all partitions that may deliver. */
  readonly maxBufferedRecords: number;
  /** The same in bytes, over all partitions. Where each has a stream of its own, each has an equal share. */
  readonly maxBufferedBytes: number;
  /** Claims end by themselves. Where offsets are carried instead, the stream's own buffers are the bound. */
  readonly withContext: boolean;
  /** Delivered records of one partition that are not finished, or wait for an older one. */
  readonly maxInFlight: number;
  readonly maxInFlightTotal: number;
  /** Of delivered records that are not finished, over all partitions. */
  readonly maxInFlightBytes: number | undefined;
  readonly maxReplay: { readonly records?: number | undefined; readonly ms?: number | undefined };
}

/** What may be read now. */
export interface ReadRoom {
  /** Whether there is room for a whole read, of at most `records` and `bytes`. */
  readonly isWhole: boolean;
  readonly records: number;
  readonly bytes: number;
  /** There is none for a single record. */
  readonly isFull: boolean;
}

/** What may be delivered now. */
export interface DeliveryRoom {
  readonly records: number;
  readonly bytes: number;
  /** The most that a record delivered alone may have. */
  readonly recordBytes: number;
}

/** Over all partitions. */
interface Sums {
  /** Of records that are not finished, where that is counted. */
  readonly bytes: number;
  readonly span: number;
  readonly replays: number;
  readonly since: number;
}

/** Part of what may be buffered that is delivered at a time: it is in the stream's hands while as much is read anew. */
const AT_A_TIME = 1 / 16;

/** Part of the bytes that may be buffered that is left to partitions that read on, however much the others hold. */
const LEFT_TO_OTHERS = 1 / 16;

/**
 * Says how much may be delivered and read, and pauses what must not be read. A pause makes the client throw its
 * prefetch away, so a partition is paused only at its bound and resumed at half of it.
 */
export class FlowControl {
  readonly #limits: FlowLimits;
  readonly #client: Pick<ConsumerClient, "pause" | "resume">;
  readonly #partitions: () => Iterable<OwnedPartition>;
  readonly userPauses: UserPauses = new UserPauses();
  readonly #paused = new Set<OwnedPartition>();

  constructor(
    limits: FlowLimits,
    client: Pick<ConsumerClient, "pause" | "resume">,
    partitions: () => Iterable<OwnedPartition>,
  ) {
    this.#limits = limits;
    this.#client = client;
    this.#partitions = partitions;
  }

  isPaused(partition: OwnedPartition): boolean {
    return this.#paused.has(partition);
  }

  isPausedByUser(partition: OwnedPartition): boolean {
    return this.userPauses.has(partition.key);
  }

  /**
   * A read of few records costs as much as one of many, so it waits until there is room for many. Until then there is
   * as much room again for records that come one by one, of `recordBytes` each. Records count in partitions that may
   * deliver, for of the others nothing is read; bytes count wherever they are.
   */
  readRoom(recordBytes: number): ReadRoom {
    const { maxPollRecords, maxBufferedRecords, maxBufferedBytes } = this.#limits;
    const share = this.#byteShare;
    let records = 0;
    let bytes = 0;
    let heldBytes = 0;
    for (const owned of this.#partitions()) {
      if (this.#isHeld(owned, share)) heldBytes += owned.bufferedBytes;
      else {
        records += owned.buffered;
        bytes += owned.bufferedBytes;
      }
    }
    const mostBytes = Math.max(maxBufferedBytes - heldBytes, maxBufferedBytes * LEFT_TO_OTHERS);
    const room = { records: maxBufferedRecords - records, bytes: mostBytes / 2 - bytes };
    const many = Math.min(maxPollRecords, Math.ceil(maxBufferedRecords / 2));
    return {
      ...room,
      isWhole: room.records >= many && room.bytes >= mostBytes / 4,
      isFull: records >= 2 * maxBufferedRecords || (bytes > 0 && bytes + recordBytes > mostBytes),
    };
  }

  /** Bytes at which the partition of a stream of its own is held back. */
  get #byteShare(): number {
    const { partitioned, maxBufferedBytes } = this.#limits;
    if (!partitioned) return Number.POSITIVE_INFINITY;
    let partitions = 0;
    for (const _ of this.#partitions()) partitions += 1;
    return maxBufferedBytes / Math.max(1, partitions);
  }

  /** Records of `owned` that may be delivered before it is at its bound. */
  room(owned: OwnedPartition): number {
    return owned.buffer.isPutOff ? 0 : this.#readingRoom(owned);
  }

  /** The same where nothing of it is delivered for a moment, and reading goes on. */
  #readingRoom(owned: OwnedPartition): number {
    if (owned.retired || owned.isHeld || this.userPauses.has(owned.key)) return 0;
    return this.#limits.withContext ? this.#limits.maxInFlight - owned.span : Number.POSITIVE_INFINITY;
  }

  /** What may be delivered at a time, of `records` at most, before all partitions together are at a bound. */
  deliveryRoom(now: number, records: number): DeliveryRoom {
    const { maxBufferedBytes, maxInFlightBytes = Number.POSITIVE_INFINITY } = this.#limits;
    const sums = this.#sums(now);
    const left = sums.bytes === 0 ? Number.POSITIVE_INFINITY : maxInFlightBytes - sums.bytes;
    return {
      records: Math.min(this.#totalRoom(now, sums), records),
      bytes: Math.min(maxBufferedBytes * AT_A_TIME, maxInFlightBytes - sums.bytes),
      recordBytes: left,
    };
  }

  #totalRoom(now: number, { span, replays, since }: Sums): number {
    const { withContext, maxInFlightTotal, maxReplay } = this.#limits;
    if (maxReplay.ms !== undefined && now - since >= maxReplay.ms) return 0;
    const unfinished = withContext ? maxInFlightTotal - span : Number.POSITIVE_INFINITY;
    return Math.min(unfinished, (maxReplay.records ?? Number.POSITIVE_INFINITY) - replays);
  }

  /**
   * Half of the budget of replays is used up, or of the bytes in flight where a commit is what ends records: what is
   * finished should be committed now.
   */
  isShort(now: number): boolean {
    const { records, ms } = this.#limits.maxReplay;
    const mostBytes = this.#limits.withContext ? undefined : this.#limits.maxInFlightBytes;
    if (records === undefined && ms === undefined && mostBytes === undefined) return false;
    const { replays, since, bytes } = this.#sums(now);
    if (records !== undefined && replays >= records / 2) return true;
    return (ms !== undefined && now - since >= ms / 2) || (mostBytes !== undefined && bytes >= mostBytes / 2);
  }

  /** When the oldest record that a crash would repeat was delivered; `undefined` if there is none. */
  get replaysSince(): number | undefined {
    let oldest: number | undefined;
    for (const { commit } of this.#partitions()) {
      const since = commit.replaysSince;
      if (since !== undefined && since < (oldest ?? Number.POSITIVE_INFINITY)) oldest = since;
    }
    return oldest;
  }

  /** Nothing more of it may be read: it delivers nothing, or has enough to deliver. */
  #isHeld(owned: OwnedPartition, byteShare: number): boolean {
    if (this.#readingRoom(owned) <= 0 || owned.isComplete) return true;
    const { partitioned, maxBufferedRecords } = this.#limits;
    return partitioned && (owned.buffered >= maxBufferedRecords || owned.bufferedBytes >= byteShare);
  }

  /** Half of what holds it is gone. */
  #mayGoOn(owned: OwnedPartition, byteShare: number): boolean {
    const { partitioned, maxBufferedRecords, maxInFlight } = this.#limits;
    if (owned.isComplete || this.#readingRoom(owned) < maxInFlight / 2) return false;
    return !partitioned || (owned.buffered <= maxBufferedRecords / 2 && owned.bufferedBytes <= byteShare / 2);
  }

  #sums(now: number): Sums {
    let bytes = 0;
    let span = 0;
    let replays = 0;
    let since = now;
    for (const owned of this.#partitions()) {
      bytes += owned.ledger.openBytes;
      span += owned.span;
      replays += owned.replays;
      since = Math.min(since, owned.commit.replaysSince ?? now);
    }
    return { bytes, span, replays, since };
  }

  /** Pauses and resumes so that the client reads just what may be read; `all` pauses everything. */
  apply(all: boolean): void {
    const pause: OwnedPartition[] = [];
    const resume: OwnedPartition[] = [];
    const share = this.#byteShare;
    for (const owned of this.#partitions()) {
      if (this.#paused.has(owned)) {
        if (!all && this.#mayGoOn(owned, share)) resume.push(owned);
      } else if (all || this.#isHeld(owned, share)) pause.push(owned);
    }
    for (const owned of pause) this.#paused.add(owned);
    for (const owned of resume) this.#paused.delete(owned);
    if (pause.length > 0) this.#client.pause(pause.map(partitionOf));
    if (resume.length > 0) this.#client.resume(resume.map(partitionOf));
  }

  /** The same partition goes on at another offset: the client keeps a pause of it. */
  replace(before: OwnedPartition, after: OwnedPartition): void {
    if (this.#paused.delete(before)) this.#paused.add(after);
  }

  /** The client may have forgotten its pauses. */
  pauseAgain(): void {
    if (this.#paused.size > 0) this.#client.pause([...this.#paused].map(partitionOf));
  }

  /** They are given up. A client may remember a pause until it is assigned them again, so none is left behind. */
  forget(partitions: readonly OwnedPartition[]): void {
    const paused = partitions.filter((owned) => this.#paused.delete(owned));
    if (paused.length > 0) this.#client.resume(paused.map(partitionOf));
  }
}
