import { Flow, type FlowShape, FlowWithContext, type FlowWithContextShape, type WithClaim } from "@millrace/streams";
import { groupBy, groupFlow, type SubstreamStage } from "@millrace/streams/stage";
import type { CommittableOffset, OffsetOwner } from "./offsets/committable-offset.js";
import { OwnedPartition } from "./consumer/partitions/owned-partition.js";
import { KafkaConnectorError } from "./errors/errors.js";
import { byPartition } from "./graph-check/by-partition.js";
import type { RecordClaim } from "./ledger/record-claim.js";
import { partitionKey } from "./client/partition-key.js";

/** How many partitions there may be. */
export interface PartitionGroupsOptions {
  /**
   * Partitions assigned at a time, at most; beyond it the stream fails with `TOO_MANY_SUBSTREAMS`. Default 1024. Those that
   * were given up do not count.
   */
  readonly maxPartitions?: number;
}

interface HasOffset {
  readonly offset: CommittableOffset;
}

const NAME = "groupByPartition";

const boundOf = ({ maxPartitions = 1024 }: PartitionGroupsOptions): number => {
  if (Number.isSafeInteger(maxPartitions) && maxPartitions > 0) return maxPartitions;
  throw new KafkaConnectorError(
    "INVALID_SETTINGS",
    `${NAME}: maxPartitions is a whole number from 1 on, not ${maxPartitions}. Leave it out, or say how many partitions are assigned at a time.`,
  );
};

/** A partition under one assignment, identified by one of its offsets; when assigned again it gets a new group. */
class Groups {
  readonly #known = new Map<OffsetOwner, Map<string, CommittableOffset>>();

  keyOf(offset: CommittableOffset): CommittableOffset {
    const owned = this.#ownedBy(offset.owner);
    const assigned = assignedKey(offset);
    const known = owned.get(assigned);
    if (!known) owned.set(assigned, offset);
    return known ?? offset;
  }

  /** Forgets it if it was given up. */
  isOver(offset: CommittableOffset): boolean {
    if (offset.owner.owns(offset, offset.epoch)) return false;
    this.#ownedBy(offset.owner).delete(assignedKey(offset));
    return true;
  }

  #ownedBy(owner: OffsetOwner): Map<string, CommittableOffset> {
    const known = this.#known.get(owner);
    if (known) return known;
    const owned = new Map<string, CommittableOffset>();
    this.#known.set(owner, owned);
    return owned;
  }
}

const assignedKey = (offset: CommittableOffset): string => `${offset.epoch} ${partitionKey(offset)}`;

/**
 * Splits a stream with offsets into one for each assigned partition, which goes through the flow that `build` makes of it;
 * what they emit is merged. Order is kept within a partition, and partitions are worked on side by side, so that
 * `groupByPartition((group) => group.mapAsync(4, work))` calls `work` for up to four records of each. The graph check allows
 * it on the way to a committer. The group of a partition that was given up completes when another one begins.
 * Emits when a group emits. Backpressures when downstream does, or 1024 elements wait in front of busy groups. Completes
 * when upstream and all groups have. Fails when a group does. Throws `INVALID_SETTINGS`.
 *
 * @example
 * .via(
 *   groupByPartition((group) =>
 *     group.mapAsync(4, async ({ record, offset }) => {
 *       await ship(record.value);
 *       return offset;
 *     }),
 *   ),
 * )
 */
export const groupByPartition = <A extends HasOffset, B>(
  build: (group: Flow<A, A>) => FlowShape<A, B, unknown>,
  options: PartitionGroupsOptions = {},
): Flow<A, B> => {
  const flow = build(Flow.of<A>()).blueprint;
  const maxSubstreams = boundOf(options);
  const stage: SubstreamStage<A, B> = {
    name: NAME,
    // By this key the graph check knows that no group divides a partition.
    traits: { order: "perKey", elements: "kept", key: byPartition },
    substream: flow,
    create(upstream, run) {
      const groups = new Groups();
      const key = ({ offset }: A): CommittableOffset => groups.keyOf(offset);
      const isOver = (offset: unknown): boolean => groups.isOver(offset as CommittableOffset);
      return groupBy<A, B>({ maxSubstreams, key, flow, isOver }).create(upstream, run);
    },
  };
  return Flow.fromStage(stage);
};

/** Elements joined from several records may span partitions: all of them share one group. */
const ownerOf = <A>({ claim }: WithClaim<A>): unknown => (claim as Partial<RecordClaim>).owner;

const isFenced = (key: unknown): boolean => key instanceof OwnedPartition && key.ledger.fenced;

/**
 * `groupByPartition` for records whose offsets follow by themselves. Any order is safe there, so use it for order
 * within a partition and for stages with a state of their own. Elements made of several records, as by `grouped`, share
 * one group. A group that completes before its elements do fails the stream.
 */
export const groupByPartitionWithContext = <A, B>(
  build: (group: FlowWithContext<A, A>) => FlowWithContextShape<A, B, unknown>,
  options: PartitionGroupsOptions = {},
): FlowWithContext<A, B> => {
  const substream = build(FlowWithContext.of<A>()).blueprint;
  const maxSubstreams = boundOf(options);
  const stage: SubstreamStage<WithClaim<A>, WithClaim<B>> = {
    name: NAME,
    substream,
    create(upstream, run) {
      const flow = groupFlow(substream, run);
      const grouping = groupBy<WithClaim<A>, WithClaim<B>>({ maxSubstreams, key: ownerOf, flow, isOver: isFenced });
      return grouping.create(upstream, run);
    },
  };
  return FlowWithContext.fromFlow(Flow.fromStage(stage));
};
