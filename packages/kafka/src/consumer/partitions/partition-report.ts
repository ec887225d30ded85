import type { TopicPartition } from "../../client/port.js";
import { partitionKey } from "../../client/partition-key.js";
import type { OwnedPartition } from "./owned-partition.js";

/** Numbers of records by outcome. */
export interface Counts {
  /** Plain sources count only these: what happens to them is up to the stream. */
  readonly delivered: number;
  readonly processed: number;
  readonly discarded: number;
  readonly parked: number;
  /** Not finished when the partition was given up or the consumer closed. */
  readonly abandoned: number;
  /** Delivered records above the committed position: the next reader of the partition gets them again. */
  readonly expectedReplays: number;
}

/** The sum of each count. */
export const addCounts = (all: Iterable<Counts>): Counts => {
  const sum = { delivered: 0, processed: 0, discarded: 0, parked: 0, abandoned: 0, expectedReplays: 0 };
  for (const each of all) for (const name of Object.keys(sum) as (keyof Counts)[]) sum[name] += each[name];
  return sum;
};

/** Outcomes of the records of one partition, over all its assignments to this consumer. */
export interface PartitionReport extends TopicPartition, Counts {
  /** The last position the broker acknowledged; `undefined` where nothing was committed. */
  readonly committed: number | undefined;
}

const reportOf = (owned: OwnedPartition, open: boolean): PartitionReport => {
  const { ledger } = owned;
  return {
    topic: owned.topic,
    partition: owned.partition,
    delivered: ledger.delivered || owned.handedOver,
    ...ledger.outcomes,
    abandoned: open ? 0 : ledger.inFlight,
    committed: owned.committed,
    expectedReplays: ledger.replays,
  };
};

const sum = (before: PartitionReport, after: PartitionReport): PartitionReport => ({
  topic: after.topic,
  partition: after.partition,
  ...addCounts([before, after]),
  committed: after.committed ?? before.committed,
});

/** Adds up two reports, partition by partition. */
export const sumReports = (
  before: Iterable<PartitionReport>,
  after: Iterable<PartitionReport>,
): readonly PartitionReport[] => {
  const all = new Map([...before].map((each) => [partitionKey(each), each]));
  for (const each of after) {
    const known = all.get(partitionKey(each));
    all.set(partitionKey(each), known ? sum(known, each) : each);
  }
  return [...all.values()].sort((a, b) => a.topic.localeCompare(b.topic) || a.partition - b.partition);
};

/** Outcomes of the records of all partitions, given up and owned. */
export class PartitionReports {
  readonly #past = new Map<string, PartitionReport>();
  #pastHandedOver = 0;

  /** It is given up now. */
  add(owned: OwnedPartition): void {
    this.#pastHandedOver += owned.handedOver;
    const before = this.#past.get(owned.key);
    const last = reportOf(owned, false);
    this.#past.set(owned.key, before ? sum(before, last) : last);
  }

  /** The last position that the broker acknowledged of a partition that was given up. */
  acknowledged(partition: TopicPartition): number | undefined {
    return this.#past.get(partitionKey(partition))?.committed;
  }

  /** Records handed to the stream so far, by partitions given up and owned. */
  handedOver(partitions: Iterable<OwnedPartition>): number {
    let sum = this.#pastHandedOver;
    for (const owned of partitions) sum += owned.handedOver;
    return sum;
  }

  report(owned: Iterable<OwnedPartition>): readonly PartitionReport[] {
    return sumReports(
      this.#past.values(),
      Array.from(owned, (each) => reportOf(each, true)),
    );
  }
}
