import type { Attributes } from "./attributes.js";
import { type Blueprint, hole, node } from "./blueprint/blueprint.js";
import type { Junction, MatStage, Stage } from "./engine/stage.js";
import { requireArgument, requirePositive } from "./errors.js";
import { Keep } from "./keep.js";
import { consoleLogger } from "./logger.js";
import { rejoined, requireBranches } from "./rejoined.js";
import type { FlowShape, SinkShape, SourceShape } from "./shapes.js";
import { aggregateWithBoundary, type BoundaryOptions } from "./stages/async/aggregate-with-boundary.js";
import { batch, conflate } from "./stages/async/batch.js";
import { buffer, type OverflowStrategy } from "./stages/async/buffer.js";
import { groupedWithin } from "./stages/async/grouped-within.js";
import { mapAsync, mapAsyncUnordered } from "./stages/async/map-async.js";
import {
  mapAsyncPartitioned,
  mapAsyncPartitionedUnordered,
  type PartitionedOptions,
} from "./stages/async/map-async-partitioned.js";
import { throttle, type ThrottleOptions } from "./stages/async/throttle.js";
import { collect } from "./stages/element/collect.js";
import { drop } from "./stages/element/drop.js";
import { filter } from "./stages/element/filter.js";
import { fold } from "./stages/element/fold.js";
import { grouped } from "./stages/element/grouped.js";
import { log, type LogOptions } from "./stages/element/log.js";
import { map } from "./stages/element/map.js";
import { mapConcat } from "./stages/element/map-concat.js";
import { recover } from "./stages/element/recover.js";
import { reduce } from "./stages/element/reduce.js";
import { scan } from "./stages/element/scan.js";
import { statefulMap } from "./stages/element/stateful-map.js";
import { take } from "./stages/element/take.js";
import { takeWhile } from "./stages/element/take-while.js";
import { watchTermination } from "./stages/element/watch-termination.js";
import { concat } from "./stages/fan-in/concat.js";
import { merge } from "./stages/fan-in/merge.js";
import { zip } from "./stages/fan-in/zip.js";
import { alsoTo, broadcast } from "./stages/fan-out/broadcast.js";
import { divertTo } from "./stages/fan-out/divert-to.js";
import { partition } from "./stages/fan-out/partition.js";
import { groupBy } from "./stages/substream/group-by.js";

/** Which class an operator answers, as a function of output and materialised value. */
export interface Kind {
  readonly Out: unknown;
  readonly Mat: unknown;
  readonly Type: unknown;
}

/** The class of kind `K` with output `Out` and materialised value `Mat`. */
export type Apply<K extends Kind, Out, Mat> = (K & { readonly Out: Out; readonly Mat: Mat })["Type"];

/** How the branches of a `broadcast` come together again. */
export interface Join<in Branch, out Out> {
  readonly junction: Junction<Branch, Out>;
}

/** Ready-made joins: `merge` takes what comes first, `zip` waits for one element of every branch. */
export const Join: {
  readonly merge: <A>() => Join<A, A>;
  readonly zip: <A>() => Join<A, readonly A[]>;
} = {
  merge: <A>() => ({ junction: merge as Junction<A, A> }),
  zip: <A>() => ({ junction: zip as Junction<A, readonly A[]> }),
};

/** Elements that may wait for their keys, for each call that may be open. */
const WAITING_PER_CALL = 4;

/** More than the default at the highest parallelism; the ring of places stays below 16 MB. */
const MOST_WAITING = 1_048_576;

const partitionedBounds = (
  operator: string,
  parallelism: number,
  { waiting = WAITING_PER_CALL * parallelism }: PartitionedOptions,
): { readonly parallelism: number; readonly waiting: number } => {
  requirePositive(parallelism, operator, "parallelism");
  requireArgument(parallelism <= 65_536, operator, `parallelism must be at most 65536, got ${parallelism}`);
  requireArgument(
    Number.isInteger(waiting) && waiting >= 0 && waiting <= MOST_WAITING,
    operator,
    `waiting must be a whole number from 0 to ${MOST_WAITING}, got ${waiting}`,
  );
  return { parallelism, waiting };
};

/**
 * Every operator, shared by `Source`, `Flow` and `Substreams`. Unless an operator says otherwise it emits when upstream
 * does, backpressures when downstream does, completes when upstream completes and cancels when downstream cancels; a user
 * function that throws fails the stream, with its own error, after the elements before it.
 */
export abstract class Operators<K extends Kind, out Out, out Mat> {
  abstract readonly blueprint: Blueprint;

  protected abstract derive(blueprint: Blueprint): unknown;

  protected apply<B, M>(blueprint: Blueprint): Apply<K, B, M> {
    return this.derive(blueprint);
  }

  protected stage<B>(stage: Stage<never, B>): Apply<K, B, Mat> {
    return this.apply(node("stage", { upstream: this.blueprint, stage }));
  }

  protected fanIn<B, M2, M3>(
    junction: Junction<never, unknown>,
    other: SourceShape<unknown, M2>,
    combine: (left: Mat, right: M2) => M3,
  ): Apply<K, B, M3> {
    return this.apply(node("fanIn", { upstreams: [this.blueprint, other.blueprint], junction, combine }));
  }

  /**
   * Changes each element.
   * Adheres to supervision.
   */
  map<B>(f: (element: Out) => B): Apply<K, B, Mat> {
    return this.stage(map(f));
  }

  /**
   * Passes on the elements for which `holds` is true.
   * Emits when `holds` is true for the element. Adheres to supervision.
   */
  filter<B extends Out>(holds: (element: Out) => element is B): Apply<K, B, Mat>;
  filter(holds: (element: Out) => boolean): Apply<K, Out, Mat>;
  filter(holds: (element: Out) => boolean): Apply<K, Out, Mat> {
    return this.stage(filter("filter", holds, true));
  }

  /**
   * Passes on the elements for which `holds` is false.
   * Emits when `holds` is false for the element. Adheres to supervision.
   */
  filterNot(holds: (element: Out) => boolean): Apply<K, Out, Mat> {
    return this.stage(filter("filterNot", holds, false));
  }

  /**
   * Maps and filters in one: drops what `f` maps to `undefined`.
   * Emits when `f` answers something. Adheres to supervision.
   */
  collect<B>(f: (element: Out) => B): Apply<K, Exclude<B, undefined>, Mat> {
    return this.stage(collect(f));
  }

  /**
   * Changes each element into zero or more.
   * Emits while the elements of one answer last; an answer is iterated only as far as downstream asks, so it may be
   * endless. Adheres to supervision; what was already emitted of an answer stays.
   */
  mapConcat<B>(f: (element: Out) => Iterable<B>): Apply<K, B, Mat> {
    return this.stage(mapConcat(f));
  }

  /**
   * Calls `f` for up to `parallelism` elements at a time and emits the results in the order of the input.
   * Emits when the oldest call has its result. Backpressures when open calls and results that wait for downstream are
   * `parallelism` together. Completes when upstream has completed and every call has its result. A rejected call fails the
   * stream at once, without waiting for older ones. Adheres to supervision.
   */
  mapAsync<B>(parallelism: number, f: (element: Out) => B | PromiseLike<B>): Apply<K, B, Mat> {
    requirePositive(parallelism, "mapAsync", "parallelism");
    requireArgument(parallelism <= 65_536, "mapAsync", `parallelism must be at most 65536, got ${parallelism}`);
    return this.stage(mapAsync(parallelism, f));
  }

  /**
   * Like `mapAsync`, but emits results as they come.
   * Emits when any call has its result. Otherwise as `mapAsync`.
   */
  mapAsyncUnordered<B>(parallelism: number, f: (element: Out) => B | PromiseLike<B>): Apply<K, B, Mat> {
    requirePositive(parallelism, "mapAsyncUnordered", "parallelism");
    return this.stage(mapAsyncUnordered(parallelism, f));
  }

  /**
   * Like `mapAsync`, with at most one open call per key: elements of a key are handled one after the other, in input order.
   * Keys are compared as a `Map` does. Elements that wait for the call of their key, up to `waiting` of them, do not hold
   * back those of other keys. Emits when the oldest element has its result. Backpressures when open calls and results that
   * wait are `parallelism` together, when the next element's key is busy and `waiting` elements wait, or when
   * `parallelism + waiting` elements have been taken in and not emitted. Otherwise as `mapAsync`.
   */
  mapAsyncPartitioned<P, B>(
    parallelism: number,
    key: (element: Out) => P,
    f: (element: Out, key: P) => B | PromiseLike<B>,
    options: PartitionedOptions = {},
  ): Apply<K, B, Mat> {
    const bounds = partitionedBounds("mapAsyncPartitioned", parallelism, options);
    return this.stage(mapAsyncPartitioned({ ...bounds, key, f }));
  }

  /**
   * Like `mapAsyncPartitioned`, but emits results as they come; those of one key still in input order.
   * Emits when any call has its result. A result takes no place once it has been emitted, whatever older calls are open.
   * Otherwise as `mapAsyncPartitioned`.
   */
  mapAsyncPartitionedUnordered<P, B>(
    parallelism: number,
    key: (element: Out) => P,
    f: (element: Out, key: P) => B | PromiseLike<B>,
    options: PartitionedOptions = {},
  ): Apply<K, B, Mat> {
    const bounds = partitionedBounds("mapAsyncPartitionedUnordered", parallelism, options);
    return this.stage(mapAsyncPartitionedUnordered({ ...bounds, key, f }));
  }

  /**
   * Passes on the first `count` elements.
   * Completes when they have been emitted; upstream is then cancelled. `take(0)` completes without asking upstream.
   */
  take(count: number): Apply<K, Out, Mat> {
    requireArgument(Number.isInteger(count) && count >= 0, "take", `count must be a whole number >= 0, got ${count}`);
    return this.stage(take(count));
  }

  /**
   * Passes elements on while `holds` is true.
   * Completes when `holds` is first false; upstream is then cancelled. `inclusive` also emits that last element.
   * Adheres to supervision.
   */
  takeWhile(holds: (element: Out) => boolean, options?: { readonly inclusive?: boolean }): Apply<K, Out, Mat> {
    return this.stage(takeWhile(holds, options?.inclusive ?? false));
  }

  /**
   * Leaves out the first `count` elements.
   * Emits once `count` elements have been left out.
   */
  drop(count: number): Apply<K, Out, Mat> {
    requireArgument(Number.isInteger(count) && count >= 0, "drop", `count must be a whole number >= 0, got ${count}`);
    return this.stage(drop(count));
  }

  /**
   * Emits `zero`, then the state after each element.
   * Adheres to supervision: resume keeps the state, restart emits `zero` again and goes on from there.
   */
  scan<S>(zero: S, f: (state: S, element: Out) => S): Apply<K, S, Mat> {
    return this.stage(scan(zero, f));
  }

  /**
   * Changes each element with a state: `f` answers the next state and the element to emit.
   * `create` makes the state when downstream first asks; `onComplete` gets it once at the end of the stream, whichever it
   * is, and what it answers, unless `undefined`, is emitted before completion or failure. Adheres to supervision: resume
   * keeps the state, restart ends it as the end of the stream does and makes a new one.
   */
  statefulMap<S, B>(
    create: () => S,
    f: (state: S, element: Out) => readonly [next: S, out: B],
    onComplete?: (state: S) => B | undefined,
  ): Apply<K, B, Mat> {
    return this.stage(statefulMap({ create, f, onComplete }));
  }

  /**
   * Emits the state after the last element, or `zero` when there was none.
   * Emits when upstream completes. Adheres to supervision: resume keeps the state, restart begins at `zero` again.
   */
  fold<S>(zero: S, f: (state: S, element: Out) => S): Apply<K, S, Mat> {
    return this.stage(fold(zero, f));
  }

  /**
   * Like `fold` with the first element as zero.
   * Emits when upstream completes. Fails with `EMPTY_STREAM` when there was no element. Adheres to supervision.
   */
  reduce(f: (accumulated: Out, element: Out) => Out): Apply<K, Out, Mat> {
    return this.stage(reduce(f));
  }

  /**
   * Gathers elements into arrays of `size`; the last one may be shorter.
   * Emits when `size` elements have come, or upstream completes.
   */
  grouped(size: number): Apply<K, readonly Out[], Mat> {
    requirePositive(size, "grouped", "size");
    return this.stage(grouped(size));
  }

  /**
   * Gathers elements into arrays of at most `size`, none of which waits longer than `intervalMs` for its first element.
   * Emits when `size` elements have come, the interval since the first has passed, or upstream completes.
   */
  groupedWithin(size: number, intervalMs: number): Apply<K, readonly Out[], Mat> {
    requirePositive(size, "groupedWithin", "size");
    requireArgument(intervalMs > 0, "groupedWithin", `intervalMs must be > 0, got ${intervalMs}`);
    return this.stage(groupedWithin(size, intervalMs));
  }

  /**
   * Gathers elements into an aggregate, and emits what `harvest` makes of it at a boundary: `aggregate` answers the next
   * aggregate, and whether it is complete; `startsNew`, whether the element belongs to the next one.
   * Emits when an aggregate is complete, an element starts a new one, the timer says so, or upstream completes with some
   * left. Adheres to supervision: of `aggregate` and `startsNew` resume drops the element and keeps the aggregate, restart
   * drops both; of `harvest` and `when` both drop the aggregate.
   */
  aggregateWithBoundary<S, B>(
    allocate: () => S,
    aggregate: (aggregate: S, element: Out) => readonly [next: S, complete: boolean],
    harvest: (aggregate: S) => B,
    options: BoundaryOptions<S, Out> = {},
  ): Apply<K, B, Mat> {
    const begin = (element: Out): readonly [S, boolean] => aggregate(allocate(), element);
    return this.stage(aggregateWithBoundary<Out, S, B>({ ...options, begin, aggregate, harvest }));
  }

  /**
   * Gathers elements into a batch while downstream is busy: up to `max` elements, `seed` for the first, `aggregate` for
   * the others.
   * Emits when downstream asks and there is a batch. Backpressures when the batch is full. Completes when upstream has
   * completed and the last batch was emitted. Adheres to supervision: resume keeps the batch, restart drops it.
   */
  batch<S>(max: number, seed: (element: Out) => S, aggregate: (batch: S, element: Out) => S): Apply<K, S, Mat> {
    requirePositive(max, "batch", "max");
    return this.stage(batch({ max, seed, aggregate }));
  }

  /**
   * Folds elements into one while downstream is busy, so that upstream is never held back.
   * Emits when downstream asks and there is an element. Never backpressures. Adheres to supervision as `batch`.
   */
  conflate(aggregate: (kept: Out, element: Out) => Out): Apply<K, Out, Mat> {
    return this.stage(conflate(aggregate));
  }

  /**
   * Reads ahead of downstream by up to `bound` elements; `strategy` says what a full buffer does, `backpressure` by default.
   * Emits when downstream asks and the buffer holds something. `fail` fails with `BUFFER_OVERFLOW`.
   */
  buffer(bound: number, strategy: OverflowStrategy = "backpressure"): Apply<K, Out, Mat> {
    requirePositive(bound, "buffer", "bound");
    return this.stage(buffer(bound, strategy));
  }

  /**
   * Limits the rate to `elements` per `perMs`, with bursts of up to `maximumBurst`, by default what the rate gives in
   * 100 ms, at least 1 and at most `elements`.
   * Emits when a token is there. Backpressures when none is; in mode `enforcing` it fails with `RATE_EXCEEDED` instead.
   */
  throttle(options: ThrottleOptions): Apply<K, Out, Mat> {
    requirePositive(options.elements, "throttle", "elements");
    requireArgument(options.perMs > 0, "throttle", `perMs must be > 0, got ${options.perMs}`);
    requirePositive(options.maximumBurst ?? options.elements, "throttle", "maximumBurst");
    return this.stage(throttle(options));
  }

  /**
   * Splits the stream by key; the operators that follow apply to each group by itself, until `mergeSubstreams`.
   * A key beyond `maxSubstreams` fails the stream with `TOO_MANY_SUBSTREAMS`. Elements of a group that has completed early
   * are dropped. A busy group holds back the others once 1024 elements wait. Adheres to supervision.
   */
  groupBy(maxSubstreams: number, key: (element: Out) => unknown): Substreams<Out, Mat, K> {
    requirePositive(maxSubstreams, "groupBy", "maxSubstreams");
    const merged = (flow: Blueprint): unknown => this.stage(groupBy<Out, unknown>({ maxSubstreams, key, flow }));
    return new Substreams<Out, Mat, K>(hole, merged);
  }

  /**
   * Takes elements from both as they come, in turn when both have some.
   * Completes when both have completed; fails when either fails.
   */
  merge<B>(other: SourceShape<B, unknown>): Apply<K, Out | B, Mat> {
    return this.mergeMat(other, Keep.left);
  }

  /** `merge` that combines the materialised values. */
  mergeMat<B, M2, M3>(other: SourceShape<B, M2>, combine: (left: Mat, right: M2) => M3): Apply<K, Out | B, M3> {
    return this.fanIn<Out | B, M2, M3>(merge, other, combine);
  }

  /**
   * Continues with `other` once this has completed; `other` is not asked before.
   * Completes when `other` completes.
   */
  concat<B>(other: SourceShape<B, unknown>): Apply<K, Out | B, Mat> {
    return this.concatMat(other, Keep.left);
  }

  /** `concat` that combines the materialised values. */
  concatMat<B, M2, M3>(other: SourceShape<B, M2>, combine: (left: Mat, right: M2) => M3): Apply<K, Out | B, M3> {
    return this.fanIn<Out | B, M2, M3>(concat, other, combine);
  }

  /**
   * Pairs elements of both.
   * Emits when both have one. Completes when either completes; the other is then cancelled.
   */
  zip<B>(other: SourceShape<B, unknown>): Apply<K, readonly [Out, B], Mat> {
    return this.zipMat(other, Keep.left);
  }

  /** `zip` that combines the materialised values. */
  zipMat<B, M2, M3>(other: SourceShape<B, M2>, combine: (left: Mat, right: M2) => M3): Apply<K, readonly [Out, B], M3> {
    return this.fanIn<readonly [Out, B], M2, M3>(zip, other, combine);
  }

  /**
   * Sends every element through every flow and joins what they emit: `broadcast([f, g], Join.merge())`.
   * Backpressures when any flow does; goes on while any flow does. `Join.zip()` is refused with `INVALID_ARGUMENT` unless
   * every flow emits one element for each that it takes, in order, or every flow ends in a fold.
   */
  broadcast<Branches extends readonly [unknown, ...unknown[]], B>(
    flows: { readonly [Index in keyof Branches]: FlowShape<Out, Branches[Index], unknown> },
    join: Join<Branches[number], B>,
  ): Apply<K, B, Mat> {
    requireBranches("broadcast", flows, join);
    const branches = flows.map((flow) => flow.blueprint);
    return this.apply(rejoined(this.blueprint, broadcast, branches, join.junction));
  }

  /**
   * Sends each element through the one flow whose index `choose` answers, and joins what they emit.
   * Backpressures when any flow does: the next chunk is asked for once every flow has taken its share of this one. Elements
   * for a flow that has all it wants are dropped; goes on while any flow does. An index without a flow fails the stream
   * with `NO_SUCH_BRANCH`. Adheres to supervision, that error excepted. `Join.zip()` is refused with `INVALID_ARGUMENT`
   * unless every flow ends in a fold.
   */
  partition<Branches extends readonly [unknown, ...unknown[]], B>(
    flows: { readonly [Index in keyof Branches]: FlowShape<Out, Branches[Index], unknown> },
    choose: (element: Out) => number,
    join: Join<Branches[number], B>,
  ): Apply<K, B, Mat> {
    requireBranches("partition", flows, join);
    const branches = flows.map((flow) => flow.blueprint);
    return this.apply(rejoined(this.blueprint, partition(choose), branches, join.junction));
  }

  /**
   * Sends the elements for which `when` is true to `sink` and passes on the others.
   * Backpressures when either does. Cancels when either cancels; a failure of `sink` fails the stream. Adheres to
   * supervision.
   */
  divertTo(sink: SinkShape<Out, unknown>, when: (element: Out) => boolean): Apply<K, Out, Mat> {
    return this.divertToMat(sink, when, Keep.left);
  }

  /** `divertTo` that combines the materialised values. */
  divertToMat<M2, M3>(
    sink: SinkShape<Out, M2>,
    when: (element: Out) => boolean,
    combine: (left: Mat, right: M2) => M3,
  ): Apply<K, Out, M3> {
    return this.apply(
      node("fanOut", {
        upstream: this.blueprint,
        fork: divertTo(when),
        branches: [hole, sink.blueprint],
        join: undefined,
        combine: (mat: Mat, [, right]: readonly [unknown, M2]) => combine(mat, right),
      }),
    );
  }

  /**
   * Sends every element to `sink` as well.
   * Backpressures when either does. Cancels when either cancels; a failure of `sink` fails the stream.
   */
  alsoTo(sink: SinkShape<Out, unknown>): Apply<K, Out, Mat> {
    return this.alsoToMat(sink, Keep.left);
  }

  /** `alsoTo` that combines the materialised values. */
  alsoToMat<M2, M3>(sink: SinkShape<Out, M2>, combine: (left: Mat, right: M2) => M3): Apply<K, Out, M3> {
    return this.apply(
      node("fanOut", {
        upstream: this.blueprint,
        fork: alsoTo,
        branches: [hole, sink.blueprint],
        join: undefined,
        combine: (mat: Mat, [, right]: readonly [unknown, M2]) => combine(mat, right),
      }),
    );
  }

  /**
   * Emits one last element when upstream fails, then completes; when `f` answers `undefined` the failure goes on.
   * Completes after the recovered element.
   */
  recover<B>(f: (error: unknown) => B | undefined): Apply<K, Out | B, Mat> {
    return this.stage(recover<Out, B>(f));
  }

  /** Appends a flow, keeping this side's materialised value. */
  via<B>(flow: FlowShape<Out, B, unknown>): Apply<K, B, Mat> {
    return this.viaMat(flow, Keep.left);
  }

  /** Appends a flow and combines the materialised values. */
  viaMat<B, M2, M3>(flow: FlowShape<Out, B, M2>, combine: (left: Mat, right: M2) => M3): Apply<K, B, M3> {
    return this.apply(node("graft", { upstream: this.blueprint, graft: flow.blueprint, combine }));
  }

  /**
   * Logs elements and completion at `debug` and failures at `error`, to the console unless a logger is given.
   * Adheres to supervision where `extract` throws; what the logger throws is dropped.
   */
  log(name: string, options: LogOptions<Out> = {}): Apply<K, Out, Mat> {
    return this.stage(log(name, options.logger ?? consoleLogger, options.extract ?? ((element: Out) => element)));
  }

  /** Combines the materialised value with a promise of the end: resolved on completion or cancellation, rejected on failure. */
  watchTermination<M2>(combine: (mat: Mat, termination: Promise<void>) => M2): Apply<K, Out, M2> {
    const stage: MatStage<Out, Out, Promise<void>> = watchTermination<Out>();
    return this.apply(node("matStage", { upstream: this.blueprint, stage, combine }));
  }

  /** Changes the materialised value. */
  mapMaterializedValue<M2>(f: (mat: Mat) => M2): Apply<K, Out, M2> {
    return this.apply(node("mat", { upstream: this.blueprint, f }));
  }

  /** Applies attributes to every stage so far; attributes set further inside win. */
  withAttributes(attributes: Attributes): Apply<K, Out, Mat> {
    return this.apply(node("attributes", { upstream: this.blueprint, attributes }));
  }
}

/** Answers `Substreams` over the same parent. */
interface SubstreamsKind<Parent extends Kind> extends Kind {
  readonly Type: Substreams<this["Out"], this["Mat"], Parent>;
}

/** What `groupBy` answers: operators here apply to each group by itself. */
export class Substreams<out Out, out Mat, Parent extends Kind> extends Operators<SubstreamsKind<Parent>, Out, Mat> {
  readonly blueprint: Blueprint;
  readonly #merged: (flow: Blueprint) => unknown;

  constructor(blueprint: Blueprint, merged: (flow: Blueprint) => unknown) {
    super();
    this.blueprint = blueprint;
    this.#merged = merged;
  }

  protected derive(blueprint: Blueprint): Substreams<unknown, unknown, Parent> {
    return new Substreams(blueprint, this.#merged);
  }

  /**
   * Merges what the groups emit, in no promised order between groups.
   * Completes when upstream has completed and every group has.
   */
  mergeSubstreams(): Apply<Parent, Out, Mat> {
    return this.#merged(this.blueprint);
  }
}
