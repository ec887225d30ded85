import { addCounts, type Counts, type PartitionReport } from "./partitions/partition-report.js";

/** Outcomes of all records a consumer delivered, over all partitions; `toString` puts them in words. */
export interface DrainReport<out T = unknown> extends Counts {
  /** What the stream completed with. */
  readonly result: T;
  readonly partitions: readonly PartitionReport[];
  toString(): string;
}

/** Of a plain source only what was delivered is known. One that commits, but has not yet, has records to read again. */
const keepsAccount = ({ delivered, processed, discarded, parked, abandoned, expectedReplays }: Counts): boolean =>
  delivered === 0 || processed + discarded + parked + abandoned + expectedReplays > 0;

const inWords = (each: Counts): string =>
  keepsAccount(each)
    ? `${each.delivered} delivered, ${each.processed} processed, ${each.discarded} discarded, ${each.parked} parked, ` +
      `${each.abandoned} abandoned, ${each.expectedReplays} to be read again`
    : `${each.delivered} delivered; a plain source keeps no account of what became of them`;

export const drainReport = <T>(result: T, partitions: readonly PartitionReport[]): DrainReport<T> => {
  const sums = addCounts(partitions);
  return {
    result,
    partitions,
    ...sums,
    toString: () =>
      [
        inWords(sums),
        ...partitions.map(
          (each) => `${each.topic}[${each.partition}] committed ${each.committed ?? "nothing"}: ${inWords(each)}`,
        ),
      ].join("\n"),
  };
};
