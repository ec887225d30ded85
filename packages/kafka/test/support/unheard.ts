import type { PartitionListener } from "../../src/consumer/partitions/owned-partition.js";

/** For partitions whose news concern nobody. */
export const unheard: PartitionListener = { onEnded: () => undefined, onRoom: () => undefined };
