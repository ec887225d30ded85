import type { PartitionReport } from "./session-report.js";

/** What became of every record a consumer delivered; `toString` tells it in words. */
export interface DrainReport<out T = unknown> {
  /** What the stream completed with. */
  readonly result: T;
  readonly partitions: readonly PartitionReport[];
  /** Sums over all partitions. */
  readonly delivered: number;
  readonly processed: number;
  readonly discarded: number;
  readonly parked: number;
  readonly abandoned: number;
  readonly expectedReplays: number;
  toString(): string;
}

type Count = "delivered" | "processed" | "discarded" | "parked" | "abandoned" | "expectedReplays";
type Counts = Readonly<Record<Count, number>>;

/** Of a plain source only what was delivered is known. A source that commits and has not yet has records to read again. */
const keepsAccount = ({ delivered, processed, discarded, parked, abandoned, expectedReplays }: Counts): boolean =>
  delivered === 0 || processed + discarded + parked + abandoned + expectedReplays > 0;

const inWords = (each: Counts): string =>
  keepsAccount(each)
    ? `${each.delivered} delivered, ${each.processed} processed, ${each.discarded} discarded, ${each.parked} parked, ` +
      `${each.abandoned} abandoned, ${each.expectedReplays} to be read again`
    : `${each.delivered} delivered; a plain source keeps no account of what became of them`;

export const drainReport = <T>(result: T, partitions: readonly PartitionReport[]): DrainReport<T> => {
  const total = (count: Count): number => partitions.reduce((sum, each) => sum + each[count], 0);
  const sums = {
    delivered: total("delivered"),
    processed: total("processed"),
    discarded: total("discarded"),
    parked: total("parked"),
    abandoned: total("abandoned"),
    expectedReplays: total("expectedReplays"),
  };
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
