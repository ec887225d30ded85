import { oncePerProcess } from "@millrace/streams/stage";
import type { CommittableOffset } from "../offsets/committable-offset.js";
import { partitionKey } from "../client/partition-key.js";

/**
 * The partition of a message, as a key for `mapAsyncPartitionedUnordered` and `groupBy`. It is the one key by which a stream
 * with offsets may be split, for every group then holds whole partitions, in which order is kept. `groupByPartition` says
 * the same by name, and ends the groups of partitions that were given up.
 */
export const byPartition: (message: { readonly offset: CommittableOffset }) => string = oncePerProcess(
  "kafka.byPartition",
  () => (message) => partitionKey(message.offset),
);
