import type { TopicPartition } from "./client/port.js";
import {
  type CommittableOffset,
  laterPosition,
  type OffsetOwner,
  positionOf,
  type PositionToCommit,
} from "./committable-offset.js";
import { partitionKey } from "./partition-key.js";

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

/** What came of one partition in its latest epoch. */
interface Span {
  highest: PositionToCommit;
  /** An offset, not a position. */
  lowest: number;
}

/** The lowest and the highest offset of each consumer and partition, and whether one came after a higher one. */
export class OffsetSpans {
  readonly #byOwner = new Map<OffsetOwner, Map<string, Span>>();
  /** The first one met; offsets of an epoch before the latest prove nothing, for they are inert. */
  #descent: Descent | undefined;

  get descent(): Descent | undefined {
    return this.#descent;
  }

  /** Adds a run of rising offsets, from `lowest` to `offset`, that came before all that is here. */
  prepend(offset: CommittableOffset, lowest: number): void {
    const own = this.#own(offset.owner);
    const key = partitionKey(offset);
    const later = own.get(key);
    if (later && offset.offset < later.lowest && offset.epoch === later.highest.epoch) {
      later.lowest = lowest;
      return;
    }
    const earlier = { highest: positionOf(offset), lowest };
    own.set(key, later ? this.#join(earlier, later, offset.owner) : earlier);
  }

  /** Adds what came before all that is here. */
  prependAll(earlier: OffsetSpans): void {
    this.#descent ??= earlier.#descent;
    for (const [owner, spans] of earlier.#byOwner) {
      const own = this.#own(owner);
      for (const [key, span] of spans) {
        const later = own.get(key);
        own.set(key, later ? this.#join(span, later, owner) : { ...span });
      }
    }
  }

  /** Adds what came after all that is here. */
  append(later: OffsetSpans): void {
    this.#descent ??= later.#descent;
    for (const [owner, spans] of later.#byOwner) {
      const own = this.#own(owner);
      for (const [key, span] of spans) {
        const earlier = own.get(key);
        own.set(key, earlier ? this.#join(earlier, span, owner) : { ...span });
      }
    }
  }

  positions(): Positions {
    const positions = new Map<OffsetOwner, ReadonlyMap<string, PositionToCommit>>();
    for (const [owner, spans] of this.#byOwner) {
      const own = new Map<string, PositionToCommit>();
      for (const [key, { highest }] of spans) own.set(key, highest);
      positions.set(owner, own);
    }
    return positions;
  }

  #own(owner: OffsetOwner): Map<string, Span> {
    let own = this.#byOwner.get(owner);
    if (!own) this.#byOwner.set(owner, (own = new Map<string, Span>()));
    return own;
  }

  #join(earlier: Span, later: Span, { groupId }: OffsetOwner): Span {
    const highest = laterPosition(earlier.highest, later.highest);
    const { topic, partition, epoch } = highest;
    if (earlier.highest.epoch !== later.highest.epoch) {
      return { highest, lowest: epoch === later.highest.epoch ? later.lowest : earlier.lowest };
    }
    const first = earlier.highest.position - 1;
    if (first > later.lowest) this.#descent ??= { groupId, topic, partition, first, then: later.lowest };
    return { highest, lowest: Math.min(earlier.lowest, later.lowest) };
  }
}
