import type { TopicPartition } from "../client/port.js";
import {
  type CommittableOffset,
  laterPosition,
  type OffsetOwner,
  positionOf,
  type PositionToCommit,
} from "./committable-offset.js";
import { partitionKey } from "../client/partition-key.js";

/** By consumer, the position to commit of each partition. */
export type Positions = ReadonlyMap<OffsetOwner, ReadonlyMap<string, PositionToCommit>>;

/** Proof that offsets of one assignment of a partition did not come in their order. */
export interface Descent extends TopicPartition {
  readonly groupId: string;
  /** The higher offset, which came first. */
  readonly first: number;
  /** The lower one, which came after it. */
  readonly then: number;
}

/** The offsets of one partition in its latest epoch; those of earlier epochs are inert and prove nothing. */
interface Span {
  highest: PositionToCommit;
  /** An offset, not a position. */
  lowest: number;
  /** The first one met. */
  readonly descent: Pick<Descent, "first" | "then"> | undefined;
}

/** The lowest and the highest offset of each consumer and partition, and whether one came after a higher one. */
export class OffsetSpans {
  /** No private name, which another copy of this class could not read. */
  private readonly byOwner = new Map<OffsetOwner, Map<string, Span>>();

  /** Adds a run of rising offsets, from `lowest` to `offset`, that came before all that is here. */
  prepend(offset: CommittableOffset, lowest: number): void {
    const own = this.#own(offset.owner);
    const key = partitionKey(offset);
    const later = own.get(key);
    if (later && offset.offset < later.lowest && offset.epoch === later.highest.epoch) {
      later.lowest = lowest;
      return;
    }
    const earlier = { highest: positionOf(offset), lowest, descent: undefined };
    own.set(key, later ? this.#join(earlier, later) : earlier);
  }

  /** Adds what came before all that is here. */
  prependAll(earlier: OffsetSpans): void {
    for (const [owner, spans] of earlier.byOwner) {
      const own = this.#own(owner);
      for (const [key, span] of spans) {
        const later = own.get(key);
        own.set(key, later ? this.#join(span, later) : { ...span });
      }
    }
  }

  /** Adds what came after all that is here; returns a descent in an assignment that its consumer still owns. */
  append(later: OffsetSpans): Descent | undefined {
    let found: Descent | undefined;
    for (const [owner, spans] of later.byOwner) {
      const own = this.#own(owner);
      for (const [key, span] of spans) {
        const earlier = own.get(key);
        const { highest, lowest, descent } = earlier ? this.#join(earlier, span) : span;
        own.set(key, { highest, lowest, descent });
        if (!descent || !owner.owns(highest, highest.epoch)) continue;
        const { topic, partition } = highest;
        found ??= { groupId: owner.groupId, topic, partition, ...descent };
      }
    }
    return found;
  }

  positions(): Positions {
    const positions = new Map<OffsetOwner, ReadonlyMap<string, PositionToCommit>>();
    for (const [owner, spans] of this.byOwner) {
      const own = new Map<string, PositionToCommit>();
      for (const [key, { highest }] of spans) own.set(key, highest);
      positions.set(owner, own);
    }
    return positions;
  }

  #own(owner: OffsetOwner): Map<string, Span> {
    let own = this.byOwner.get(owner);
    if (!own) this.byOwner.set(owner, (own = new Map<string, Span>()));
    return own;
  }

  #join(earlier: Span, later: Span): Span {
    const highest = laterPosition(earlier.highest, later.highest);
    if (earlier.highest.epoch !== later.highest.epoch) {
      const { lowest, descent } = highest === later.highest ? later : earlier;
      return { highest, lowest, descent };
    }
    const first = earlier.highest.position - 1;
    const met = first > later.lowest ? { first, then: later.lowest } : undefined;
    const descent = earlier.descent ?? later.descent ?? met;
    return { highest, lowest: Math.min(earlier.lowest, later.lowest), descent };
  }
}
