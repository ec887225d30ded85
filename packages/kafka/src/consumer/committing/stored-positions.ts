import type { ConsumerClient } from "../../client/port.js";
import { partitionKey, partitionOf } from "../../client/partition-key.js";
import type { OwnedPartition, Watermark } from "../partitions/owned-partition.js";

/** A position that stands for nothing of this assignment: what the group has already, or a beginning. */
export const outright = (owned: OwnedPartition, position: number, metadata: string | undefined): Watermark => ({
  ...{ owned, position, metadata, stored: true },
  ...{ asked: undefined, below: 0, finishedAbove: 0, oldestAbove: undefined, takenAt: 0 },
});

/**
 * The group's positions of partitions without a delivery since they were assigned. Asked each time, because others may
 * change them where there are no members.
 */
export const storedPositions = async (
  client: Pick<ConsumerClient, "committed">,
  partitions: Iterable<OwnedPartition>,
  timeoutMs: number,
): Promise<readonly Watermark[]> => {
  const idle = new Map<string, OwnedPartition>();
  for (const owned of partitions) if (owned.ledger.watermark === undefined) idle.set(owned.key, owned);
  if (idle.size === 0) return [];
  const stored = await client.committed([...idle.values()].map(partitionOf), timeoutMs);
  return stored.flatMap((each) => {
    const owned = idle.get(partitionKey(each));
    return owned ? outright(owned, each.offset, each.metadata) : [];
  });
};
