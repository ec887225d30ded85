import { CommittableOffset, laterPosition, type OffsetOwner, type PositionToCommit } from "./committable-offset.js";
import { partitionKey } from "./partition-key.js";

/** What a committer takes. */
export type Committable = CommittableOffset | CommittableOffsetBatch;

type Positions = ReadonlyMap<OffsetOwner, ReadonlyMap<string, PositionToCommit>>;

/** One offset, or a batch folded at once: a long chain of batches must neither recurse nor keep its offsets. */
type Addition = CommittableOffset | Positions;

/** What was added before the last addition and is not folded yet: a list, so that `updated` shares all it can. */
interface Added {
  readonly addition: Addition;
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

/** Whether `offset` makes `before` superfluous: a later one of the same assignment of the same partition. */
const supersedes = (offset: Addition, before: Addition): boolean =>
  offset instanceof CommittableOffset &&
  before instanceof CommittableOffset &&
  offset.offset > before.offset &&
  offset.partition === before.partition &&
  offset.epoch === before.epoch &&
  offset.owner === before.owner &&
  offset.topic === before.topic;

class Fold {
  readonly positions = new Map<OffsetOwner, Map<string, PositionToCommit>>();

  add(owner: OffsetOwner, position: PositionToCommit): void {
    let own = this.positions.get(owner);
    if (!own) this.positions.set(owner, (own = new Map<string, PositionToCommit>()));
    const key = partitionKey(position);
    const known = own.get(key);
    own.set(key, known ? laterPosition(known, position) : position);
  }

  addAll(addition: Addition): void {
    if (addition instanceof CommittableOffset) this.add(addition.owner, positionOf(addition));
    else for (const [owner, own] of addition) for (const position of own.values()) this.add(owner, position);
  }
}

/**
 * The highest offset of each group, topic and partition among those added: a value, which never changes. Batches of
 * batches are batches; adding is associative, commutative and, but for `size`, idempotent.
 */
export class CommittableOffsetBatch {
  static readonly empty: CommittableOffsetBatch = new CommittableOffsetBatch(NONE, undefined, undefined, 0, 0);

  readonly #folded: Positions;
  readonly #last: Addition | undefined;
  readonly #before: Added | undefined;
  /** How many additions are not folded. */
  readonly #unfolded: number;
  /** How many offsets were added, repeated ones included. */
  readonly size: number;
  #positions: Positions | undefined;

  private constructor(
    folded: Positions,
    last: Addition | undefined,
    before: Added | undefined,
    unfolded: number,
    size: number,
  ) {
    this.#folded = folded;
    this.#last = last;
    this.#before = before;
    this.#unfolded = unfolded;
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
    const addition = isBatch ? committable.positions() : committable;
    const last = this.#last;
    // Records come in runs of one partition, of which only the last counts.
    if (last !== undefined && supersedes(addition, last)) {
      return new CommittableOffsetBatch(this.#folded, addition, this.#before, this.#unfolded, size);
    }
    const before = last === undefined ? this.#before : { addition: last, before: this.#before };
    const batch = new CommittableOffsetBatch(this.#folded, addition, before, this.#unfolded + 1, size);
    if (batch.#unfolded < FOLD_AFTER) return batch;
    return new CommittableOffsetBatch(batch.positions(), undefined, undefined, 0, size);
  }

  get isEmpty(): boolean {
    return this.size === 0;
  }

  /** By consumer, the positions to commit. */
  positions(): Positions {
    if (this.#positions) return this.#positions;
    const fold = new Fold();
    fold.addAll(this.#folded);
    if (this.#last !== undefined) fold.addAll(this.#last);
    for (let added = this.#before; added; added = added.before) fold.addAll(added.addition);
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
