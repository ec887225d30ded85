import type { CommittableOffset } from "../committable-offset.js";
import { partitionKey } from "../partition-key.js";

/**
 * The partition of a message, as a key: `groupBy(64, byPartition)`. It is the one key by which a stream with offsets may be
 * split, for every group then holds whole partitions, in which order is kept.
 */
export const byPartition = (message: { readonly offset: CommittableOffset }): string => partitionKey(message.offset);
