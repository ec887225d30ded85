import { CommittableOffset, laterPosition, type OffsetOwner, type PositionToCommit } from "./committable-offset.js";

/** What a committer takes. */
export type Committable = CommittableOffset | CommittableOffsetBatch;

type Positions = ReadonlyMap<OffsetOwner, ReadonlyMap<string, PositionToCommit>>;

/**
 * Offsets added since the last time they were folded into the map: a list, so that `updated` shares all it can. An added
 * batch is folded at once: a long chain of batches, each added to the next, must neither recurse nor keep its offsets.
 */
interface Added {
  readonly committable: CommittableOffset | Positions;
  readonly before: Added | undefined;
}

const NONE: Positions = new Map();

/** Folding costs a map of all partitions; not folding keeps every offset in memory. */
const FOLD_AFTER = 1024;

const positionOf = (offset: CommittableOffset): PositionToCommit => ({
  topic: offset.topic,
  partition: offset.partition,
  position: offset.offset + 1,
  epoch: offset.epoch,
  metadata: offset.metadata,
});

class Fold {
  readonly positions = new Map<OffsetOwner, Map<string, PositionToCommit>>();

  add(owner: OffsetOwner, position: PositionToCommit): void {
    let own = this.positions.get(owner);
    if (!own) this.positions.set(owner, (own = new Map<string, PositionToCommit>()));
    const key = `${position.partition} ${position.topic}`;
    const known = own.get(key);
    own.set(key, known ? laterPosition(known, position) : position);
  }

  addAll(positions: Positions): void {
    for (const [owner, own] of positions) for (const position of own.values()) this.add(owner, position);
  }
}

/**
 * The highest offset of each group, topic and partition among those added: a value, which never changes. Batches of
 * batches are batches; adding is associative, commutative and, but for `size`, idempotent.
 */
export class CommittableOffsetBatch {
  static readonly empty: CommittableOffsetBatch = new CommittableOffsetBatch(NONE, undefined, 0, 0);

  readonly #folded: Positions;
  readonly #added: Added | undefined;
  readonly #addedCount: number;
  /** How many offsets were added, repeated ones included. */
  readonly size: number;
  #positions: Positions | undefined;

  private constructor(folded: Positions, added: Added | undefined, addedCount: number, size: number) {
    this.#folded = folded;
    this.#added = added;
    this.#addedCount = addedCount;
    this.size = size;
  }

  /** A batch of one, as the seed of `.batch(max, CommittableOffsetBatch.of, (batch, offset) => batch.updated(offset))`. */
  static of(this: void, committable: Committable): CommittableOffsetBatch {
    return CommittableOffsetBatch.empty.updated(committable);
  }

  /** This batch with one offset, or all of another batch, added. */
  updated(committable: Committable): CommittableOffsetBatch {
    if (committable instanceof CommittableOffsetBatch && this.size === 0) return committable;
    const isBatch = committable instanceof CommittableOffsetBatch;
    const size = this.size + (isBatch ? committable.size : 1);
    const added: Added = { committable: isBatch ? committable.positions() : committable, before: this.#added };
    const batch = new CommittableOffsetBatch(this.#folded, added, this.#addedCount + 1, size);
    if (batch.#addedCount < FOLD_AFTER) return batch;
    return new CommittableOffsetBatch(batch.positions(), undefined, 0, size);
  }

  get isEmpty(): boolean {
    return this.size === 0;
  }

  /** By consumer, the positions to commit. */
  positions(): Positions {
    if (this.#positions) return this.#positions;
    const fold = new Fold();
    fold.addAll(this.#folded);
    for (let added = this.#added; added; added = added.before) {
      const { committable } = added;
      if (committable instanceof CommittableOffset) fold.add(committable.owner, positionOf(committable));
      else fold.addAll(committable);
    }
    this.#positions = fold.positions;
    return fold.positions;
  }

  /** The position of each partition as plain data, for logs and tests: what a restart would read next. */
  offsets(): readonly (PositionToCommit & { readonly groupId: string })[] {
    return [...this.positions()].flatMap(([owner, own]) =>
      [...own.values()].map((position) => ({ groupId: owner.groupId, ...position })),
    );
  }
}

/** Commits every position at the consumer it came from. */
export const commitBatch = async (batch: CommittableOffsetBatch): Promise<void> => {
  await Promise.all([...batch.positions()].map(([owner, own]) => owner.commit([...own.values()])));
};
