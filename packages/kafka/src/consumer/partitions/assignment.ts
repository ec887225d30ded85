import type { TopicPartition } from "../../client/port.js";
import type { Auditor } from "../../ledger/auditor.js";
import { partitionKey } from "../../client/partition-key.js";
import { OwnedPartition, type PartitionListener } from "./owned-partition.js";
import { type PartitionReport, PartitionReports } from "./partition-report.js";

/** The partitions this consumer owns; epochs grow with every assignment of a partition. */
export class Assignment {
  readonly #auditor: Auditor;
  readonly #claimBound: number;
  readonly #listener: PartitionListener;
  readonly #epochs = new Map<string, number>();
  readonly #owned = new Map<string, OwnedPartition>();
  readonly #reports = new PartitionReports();
  #isCommitted = false;

  constructor(auditor: Auditor, claimBound: number, listener: PartitionListener) {
    this.#auditor = auditor;
    this.#claimBound = claimBound;
    this.#listener = listener;
  }

  /** Owned partitions, retired ones included. */
  get partitions(): IterableIterator<OwnedPartition> {
    return this.#owned.values();
  }

  add(partitions: readonly TopicPartition[]): readonly OwnedPartition[] {
    const added = partitions.map((each) => {
      const key = partitionKey(each);
      const epoch = (this.#epochs.get(key) ?? 0) + 1;
      const trail = this.#auditor.assigned(each.topic, each.partition, epoch);
      const owned = new OwnedPartition(each, epoch, trail, this.#listener, this.#claimBound);
      if (this.#isCommitted) owned.commits();
      this.#epochs.set(key, epoch);
      // An assignment that no revocation preceded: what the last one still holds is inert.
      this.#owned.get(key)?.fence();
      this.#owned.set(key, owned);
      return owned;
    });
    this.#listener.onRoom();
    return added;
  }

  /** From now on finished records are committed, of all that is and will be assigned. */
  commits(): void {
    if (this.#isCommitted) return;
    this.#isCommitted = true;
    for (const owned of this.#owned.values()) owned.commits();
  }

  /** Where no records wait no bound holds any back, and the end of a claim need not wake the stream. */
  get hasBuffered(): boolean {
    for (const owned of this.#owned.values()) if (owned.buffered > 0) return true;
    return false;
  }

  /** Something has finished that is not committed. */
  get hasNews(): boolean {
    for (const owned of this.#owned.values()) if (owned.hasNews) return true;
    return false;
  }

  /** Outcomes of the records of all partitions, given up and owned. */
  report(): readonly PartitionReport[] {
    return this.#reports.report(this.partitions);
  }

  /** Records handed to the stream so far. */
  get handedOver(): number {
    return this.#reports.handedOver(this.partitions);
  }

  /** The last position that the broker acknowledged of a partition that was given up. */
  acknowledged(partition: TopicPartition): number | undefined {
    return this.#reports.acknowledged(partition);
  }

  /** How many partitions are owned. */
  get size(): number {
    return this.#owned.size;
  }

  get(partition: TopicPartition): OwnedPartition | undefined {
    return this.#owned.get(partitionKey(partition));
  }

  /** It is owned under this assignment, and is not being given up. */
  delivers(owned: OwnedPartition): boolean {
    return this.get(owned) === owned && !owned.retired;
  }

  /** Those of `partitions` that are owned. */
  owned(partitions: readonly TopicPartition[]): readonly OwnedPartition[] {
    return partitions.flatMap((each) => this.get(each) ?? []);
  }

  remove(partitions: readonly OwnedPartition[]): void {
    for (const owned of partitions) {
      if (this.#owned.get(owned.key) === owned) {
        this.#reports.add(owned);
        this.#owned.delete(owned.key);
      }
      owned.fence();
    }
    // What they had in flight no longer counts against the bounds over all partitions.
    this.#listener.onRoom();
  }
}
