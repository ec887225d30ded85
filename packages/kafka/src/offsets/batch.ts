import { acrossCopies } from "@millrace/streams/stage";
import type { CommitResult } from "./commit-result.js";
import type { CommittableOffset, OffsetOwner, PositionToCommit } from "./committable-offset.js";
import { OffsetSpans, type Positions } from "./spans.js";

/** What a committer takes. */
export type Committable = CommittableOffset | CommittableOffsetBatch;

// Distinguished by their properties, not by class: those of another copy of this package are recognised too, and
// `instanceof` would cost more than all the rest.

/** One offset, or a batch folded at once: a long chain of batches must neither recurse nor keep its offsets. */
type Addition = CommittableOffset | OffsetSpans;

/** What was added before the last addition and is not folded yet: a list, so that `updated` shares all it can. */
interface Added {
  readonly addition: Addition;
  readonly lowest: number;
  readonly before: Added | undefined;
}

const NONE = new OffsetSpans();

/** Folding costs a map of all partitions; not folding keeps every offset in memory. */
const FOLD_AFTER = 1024;

/** Whether `offset` goes on the run that ends with `before`: a higher one of the same assignment of the same partition. */
const goesOn = (offset: Addition, before: Addition): boolean =>
  "owner" in offset &&
  "owner" in before &&
  offset.offset > before.offset &&
  offset.partition === before.partition &&
  offset.epoch === before.epoch &&
  offset.owner === before.owner &&
  offset.topic === before.topic;

/**
 * The highest offset of each group, topic and partition among those added: a value, which never changes. Batches of
 * batches are batches; adding is associative, commutative and, but for `size`, idempotent. It also remembers whether an
 * offset was added after a higher one of its partition, which a committer refuses: add them in the order they come.
 */
export class CommittableOffsetBatch {
  static {
    acrossCopies(this, "CommittableOffsetBatch");
  }

  static readonly empty: CommittableOffsetBatch = new CommittableOffsetBatch(NONE, undefined, 0, undefined, 0, 0);

  readonly #folded: OffsetSpans;
  readonly #last: Addition | undefined;
  /** The offset with which the run began that ends with `#last`. */
  readonly #lowest: number;
  readonly #before: Added | undefined;
  /** How many additions are not folded. */
  readonly #unfolded: number;
  /** How many offsets were added, repeated ones included. */
  readonly size: number;
  #spans: OffsetSpans | undefined;
  #positions: Positions | undefined;

  protected constructor(
    folded: OffsetSpans,
    last: Addition | undefined,
    lowest: number,
    before: Added | undefined,
    unfolded: number,
    size: number,
  ) {
    this.#folded = folded;
    this.#last = last;
    this.#lowest = lowest;
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
    const isBatch = "updated" in committable;
    if (isBatch && this.size === 0) return committable;
    const size = this.size + (isBatch ? committable.size : 1);
    const addition = isBatch ? committable.spans() : committable;
    const last = this.#last;
    // Records come in runs of one partition; only the first and the last of a run count.
    if (last !== undefined && goesOn(addition, last)) {
      return new CommittableOffsetBatch(this.#folded, addition, this.#lowest, this.#before, this.#unfolded, size);
    }
    const before = last === undefined ? this.#before : { addition: last, lowest: this.#lowest, before: this.#before };
    const lowest = isBatch ? 0 : committable.offset;
    const batch = new CommittableOffsetBatch(this.#folded, addition, lowest, before, this.#unfolded + 1, size);
    if (batch.#unfolded < FOLD_AFTER) return batch;
    return new CommittableOffsetBatch(batch.spans(), undefined, 0, undefined, 0, size);
  }

  get isEmpty(): boolean {
    return this.size === 0;
  }

  /**
   * Commits by hand every position at the consumer it came from; resolves with the outcome of each. As with
   * `CommittableOffset.commit` the order is not checked. Rejects when one of the consumers does; the commits of the
   * others go on.
   */
  async commit(): Promise<readonly CommitResult[]> {
    const results = await Promise.all(this.#byOwner((owner, positions) => owner.commit(positions)));
    return results.flat();
  }

  /** The same without results: resolves also when it fails, which the consumer logs and counts. */
  async tell(): Promise<void> {
    await Promise.all(this.#byOwner((owner, positions) => owner.tell(positions)));
  }

  #byOwner<T>(call: (owner: OffsetOwner, positions: readonly PositionToCommit[]) => T): T[] {
    return [...this.positions()].map(([owner, own]) => call(owner, [...own.values()]));
  }

  /** By consumer, the positions to commit. */
  positions(): Positions {
    return (this.#positions ??= this.spans().positions());
  }

  /** What the order guard of a committer looks at. */
  spans(): OffsetSpans {
    if (this.#spans) return this.#spans;
    const spans = new OffsetSpans();
    const prepend = (addition: Addition, lowest: number): void => {
      if ("owner" in addition) spans.prepend(addition, lowest);
      else spans.prependAll(addition);
    };
    // From the latest back to the earliest, as the list goes.
    if (this.#last !== undefined) prepend(this.#last, this.#lowest);
    for (let added = this.#before; added; added = added.before) prepend(added.addition, added.lowest);
    spans.prependAll(this.#folded);
    this.#spans = spans;
    return spans;
  }

  /** The position of each partition as plain data, for logs and tests: what a restart would read next. */
  offsets(): readonly (PositionToCommit & { readonly groupId: string })[] {
    return [...this.positions()].flatMap(([owner, own]) =>
      [...own.values()].map((position) => ({ groupId: owner.groupId, ...position })),
    );
  }
}

/** What a committer emits: a batch, and the outcomes of its positions. */
export class CommittedBatch extends CommittableOffsetBatch {
  /** One for each consumer and partition of the batch. */
  readonly results: readonly CommitResult[];

  constructor(batch: CommittableOffsetBatch, results: readonly CommitResult[]) {
    super(batch.spans(), undefined, 0, undefined, 0, batch.size);
    this.results = results;
  }
}
