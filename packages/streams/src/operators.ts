import type { Attributes } from "./attributes.js";
import { type Blueprint, hole, node } from "./model/blueprint.js";
import type { Junction, MatStage, Stage } from "./model/stage.js";
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
 *
 * Long: a method for each operator, with its example.
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
   *
   * @example
   * const elements = await Source.from([1, 2, 3])
   *   .map((n) => n * n)
   *   .runWith(Sink.toArray());
   * console.log(elements);
   * // [ 1, 4, 9 ]
   */
  map<B>(f: (element: Out) => B): Apply<K, B, Mat> {
    return this.stage(map(f));
  }

  /**
   * Passes on the elements for which `holds` is true.
   * Emits when `holds` is true for the element. Adheres to supervision.
   *
   * @example
   * const elements = await Source.from([1, "two", 3])
   *   .filter((each) => typeof each === "number")
   *   .map((n) => n * 10)
   *   .runWith(Sink.toArray());
   * console.log(elements);
   * // [ 10, 30 ]
   */
  filter<B extends Out>(holds: (element: Out) => element is B): Apply<K, B, Mat>;
  filter(holds: (element: Out) => boolean): Apply<K, Out, Mat>;
  filter(holds: (element: Out) => boolean): Apply<K, Out, Mat> {
    return this.stage(filter("filter", holds, true));
  }

  /**
   * Passes on the elements for which `holds` is false.
   * Emits when `holds` is false for the element. Adheres to supervision.
   *
   * @example
   * const elements = await Source.from(["a", "", "b"])
   *   .filterNot((text) => text === "")
   *   .runWith(Sink.toArray());
   * console.log(elements);
   * // [ 'a', 'b' ]
   */
  filterNot(holds: (element: Out) => boolean): Apply<K, Out, Mat> {
    return this.stage(filter("filterNot", holds, false));
  }

  /**
   * Maps and filters in one: drops what `f` maps to `undefined`.
   * Emits when `f` answers something. Adheres to supervision.
   *
   * @example
   * const elements = await Source.from(["1", "x", "3"])
   *   .collect((text) => (/^\d+$/.test(text) ? Number(text) : undefined))
   *   .runWith(Sink.toArray());
   * console.log(elements);
   * // [ 1, 3 ]
   */
  collect<B>(f: (element: Out) => B): Apply<K, Exclude<B, undefined>, Mat> {
    return this.stage(collect(f));
  }

  /**
   * Changes each element into zero or more.
   * Emits while the elements of one answer last; an answer is iterated only as far as downstream asks, so it may be
   * endless. Adheres to supervision; what was already emitted of an answer stays.
   *
   * @example
   * const elements = await Source.from(["to be", "or not"])
   *   .mapConcat((line) => line.split(" "))
   *   .runWith(Sink.toArray());
   * console.log(elements);
   * // [ 'to', 'be', 'or', 'not' ]
   */
  mapConcat<B>(f: (element: Out) => Iterable<B>): Apply<K, B, Mat> {
    return this.stage(mapConcat(f));
  }

  /**
   * Calls `f` for up to `parallelism` elements at a time and emits the results in the order of the input.
   * Emits when the oldest call has its result. Backpressures when open calls and results that wait for downstream are
   * `parallelism` together. Completes when upstream has completed and every call has its result. A rejected call fails the
   * stream at once, without waiting for older ones. Adheres to supervision.
   *
   * @example
   * const fetchPrice = async (sku: string): Promise<string> => `${sku}: 1.20`;
   * const prices = await Source.from(["a", "b", "c"])
   *   .mapAsync(2, fetchPrice)
   *   .runWith(Sink.toArray());
   * console.log(prices);
   * // [ 'a: 1.20', 'b: 1.20', 'c: 1.20' ]
   */
  mapAsync<B>(parallelism: number, f: (element: Out) => B | PromiseLike<B>): Apply<K, B, Mat> {
    requirePositive(parallelism, "mapAsync", "parallelism");
    requireArgument(parallelism <= 65_536, "mapAsync", `parallelism must be at most 65536, got ${parallelism}`);
    return this.stage(mapAsync(parallelism, f));
  }

  /**
   * Like `mapAsync`, but emits results as they come.
   * Emits when any call has its result. Otherwise as `mapAsync`.
   *
   * @example
   * const answer = (ms: number): Promise<string> => new Promise((resolve) => setTimeout(resolve, ms, `after ${ms} ms`));
   * const answers = await Source.from([60, 1])
   *   .mapAsyncUnordered(2, answer)
   *   .runWith(Sink.toArray());
   * console.log(answers);
   * // [ 'after 1 ms', 'after 60 ms' ]
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
   *
   * @example
   * const balances = new Map<string, number>();
   * const book = async (account: string, amount: number): Promise<string> => {
   *   const before = balances.get(account) ?? 0;
   *   await new Promise((resolve) => setTimeout(resolve, 1));
   *   balances.set(account, before + amount);
   *   return `${account}: ${before + amount}`;
   * };
   * const booked = await Source.from([
   *   { account: "a", amount: 5 },
   *   { account: "b", amount: 3 },
   *   { account: "a", amount: -2 },
   * ])
   *   .mapAsyncPartitioned(
   *     8,
   *     ({ account }) => account,
   *     ({ amount }, account) => book(account, amount),
   *   )
   *   .runWith(Sink.toArray());
   * console.log(booked);
   * // [ 'a: 5', 'b: 3', 'a: 3' ]
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
   *
   * @example
   * const after = (ms: number): Promise<string> => new Promise((resolve) => setTimeout(resolve, ms, `${ms} ms`));
   * const answers = await Source.from([
   *   { key: "slow", ms: 60 },
   *   { key: "slow", ms: 2 },
   *   { key: "fast", ms: 1 },
   * ])
   *   .mapAsyncPartitionedUnordered(
   *     8,
   *     ({ key }) => key,
   *     ({ ms }, key) => after(ms).then((text) => `${key} ${text}`),
   *   )
   *   .runWith(Sink.toArray());
   * console.log(answers);
   * // [ 'fast 1 ms', 'slow 60 ms', 'slow 2 ms' ]
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
   *
   * @example
   * const elements = await Source.unfold(1, (n) => [n * 2, n])
   *   .take(5)
   *   .runWith(Sink.toArray());
   * console.log(elements);
   * // [ 1, 2, 4, 8, 16 ]
   */
  take(count: number): Apply<K, Out, Mat> {
    requireArgument(Number.isInteger(count) && count >= 0, "take", `count must be a whole number >= 0, got ${count}`);
    return this.stage(take(count));
  }

  /**
   * Passes elements on while `holds` is true.
   * Completes when `holds` is first false; upstream is then cancelled. `inclusive` also emits that last element.
   * Adheres to supervision.
   *
   * @example
   * const elements = await Source.unfold(1, (n) => [n + 1, n])
   *   .takeWhile((n) => n < 4, { inclusive: true })
   *   .runWith(Sink.toArray());
   * console.log(elements);
   * // [ 1, 2, 3, 4 ]
   */
  takeWhile(holds: (element: Out) => boolean, options?: { readonly inclusive?: boolean }): Apply<K, Out, Mat> {
    return this.stage(takeWhile(holds, options?.inclusive ?? false));
  }

  /**
   * Leaves out the first `count` elements.
   * Emits once `count` elements have been left out.
   *
   * @example
   * const elements = await Source.from(["header", "a", "b"])
   *   .drop(1)
   *   .runWith(Sink.toArray());
   * console.log(elements);
   * // [ 'a', 'b' ]
   */
  drop(count: number): Apply<K, Out, Mat> {
    requireArgument(Number.isInteger(count) && count >= 0, "drop", `count must be a whole number >= 0, got ${count}`);
    return this.stage(drop(count));
  }

  /**
   * Emits `zero`, then the state after each element.
   * Adheres to supervision: resume keeps the state, restart emits `zero` again and goes on from there.
   *
   * @example
   * const elements = await Source.from([1, 2, 3])
   *   .scan(0, (sum, n) => sum + n)
   *   .runWith(Sink.toArray());
   * console.log(elements);
   * // [ 0, 1, 3, 6 ]
   */
  scan<S>(zero: S, f: (state: S, element: Out) => S): Apply<K, S, Mat> {
    return this.stage(scan(zero, f));
  }

  /**
   * Changes each element with a state: `f` answers the next state and the element to emit.
   * `create` makes the state when downstream first asks; `onComplete` gets it once at the end of the stream, whichever it
   * is, and what it answers, unless `undefined`, is emitted before completion or failure. Adheres to supervision: resume
   * keeps the state, restart ends it as the end of the stream does and makes a new one.
   *
   * @example
   * const elements = await Source.from(["a", "b", "c"])
   *   .statefulMap(
   *     () => 1,
   *     (line, text) => [line + 1, `${line} ${text}`],
   *     (line) => `${line - 1} lines`,
   *   )
   *   .runWith(Sink.toArray());
   * console.log(elements);
   * // [ '1 a', '2 b', '3 c', '3 lines' ]
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
   *
   * @example
   * const elements = await Source.from(["a", "bc", "def"])
   *   .fold(0, (length, text) => length + text.length)
   *   .runWith(Sink.toArray());
   * console.log(elements);
   * // [ 6 ]
   */
  fold<S>(zero: S, f: (state: S, element: Out) => S): Apply<K, S, Mat> {
    return this.stage(fold(zero, f));
  }

  /**
   * Like `fold` with the first element as zero.
   * Emits when upstream completes. Fails with `EMPTY_STREAM` when there was no element. Adheres to supervision.
   *
   * @example
   * const elements = await Source.from([3, 1, 2])
   *   .reduce((largest, n) => Math.max(largest, n))
   *   .runWith(Sink.toArray());
   * console.log(elements);
   * // [ 3 ]
   */
  reduce(f: (accumulated: Out, element: Out) => Out): Apply<K, Out, Mat> {
    return this.stage(reduce(f));
  }

  /**
   * Gathers elements into arrays of `size`; the last one may be shorter.
   * Emits when `size` elements have come, or upstream completes.
   *
   * @example
   * const elements = await Source.from([1, 2, 3, 4, 5])
   *   .grouped(2)
   *   .runWith(Sink.toArray());
   * console.log(elements);
   * // [ [ 1, 2 ], [ 3, 4 ], [ 5 ] ]
   */
  grouped(size: number): Apply<K, readonly Out[], Mat> {
    requirePositive(size, "grouped", "size");
    return this.stage(grouped(size));
  }

  /**
   * Gathers elements into arrays of at most `size`, none of which waits longer than `intervalMs` for its first element.
   * Emits when `size` elements have come, the interval since the first has passed, or upstream completes.
   *
   * @example
   * const elements = await Source.from([1, 2, 3, 4, 5])
   *   .groupedWithin(2, 1_000)
   *   .runWith(Sink.toArray());
   * console.log(elements);
   * // [ [ 1, 2 ], [ 3, 4 ], [ 5 ] ]
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
   *
   * @example
   * const words = await Source.from(["to", "be", "or", "not", "to", "be"])
   *   .aggregateWithBoundary(
   *     () => "",
   *     (line, word) => [`${line} ${word}`.trim(), word === "not"],
   *     (line) => line.toUpperCase(),
   *     { startsNew: (_, word) => word === "or" },
   *   )
   *   .runWith(Sink.toArray());
   * console.log(words);
   * // [ 'TO BE', 'OR NOT', 'TO BE' ]
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
   *
   * @example
   * const sums = await Source.from([1, 2, 3, 4, 5])
   *   .batch(
   *     2,
   *     (n) => n,
   *     (sum, n) => sum + n,
   *   )
   *   .runWith(Sink.toArray());
   * console.log(sums);
   * // [ 3, 7, 5 ]
   */
  batch<S>(max: number, seed: (element: Out) => S, aggregate: (batch: S, element: Out) => S): Apply<K, S, Mat> {
    requirePositive(max, "batch", "max");
    return this.stage(batch({ max, seed, aggregate }));
  }

  /**
   * Folds elements into one while downstream is busy, so that upstream is never held back.
   * Emits when downstream asks and there is an element. Never backpressures. Adheres to supervision as `batch`.
   *
   * @example
   * const newest = await Source.from([{ price: 10 }, { price: 11 }, { price: 12 }])
   *   .conflate((_older, newer) => newer)
   *   .runWith(Sink.last());
   * console.log(newest);
   * // { price: 12 }
   */
  conflate(aggregate: (kept: Out, element: Out) => Out): Apply<K, Out, Mat> {
    return this.stage(conflate(aggregate));
  }

  /**
   * Reads ahead of downstream by up to `bound` elements; `strategy` says what a full buffer does, `backpressure` by default.
   * Emits when downstream asks and the buffer holds something. `fail` fails with `BUFFER_OVERFLOW`.
   *
   * @example
   * const elements = await Source.from([1, 2, 3])
   *   .buffer(16, "backpressure")
   *   .mapAsync(1, async (n) => n * 2)
   *   .runWith(Sink.toArray());
   * console.log(elements);
   * // [ 2, 4, 6 ]
   */
  buffer(bound: number, strategy: OverflowStrategy = "backpressure"): Apply<K, Out, Mat> {
    requirePositive(bound, "buffer", "bound");
    return this.stage(buffer(bound, strategy));
  }

  /**
   * Limits the rate to `elements` per `perMs`, with bursts of up to `maximumBurst`, by default what the rate gives in
   * 100 ms, at least 1 and at most `elements`.
   * Emits when a token is there. Backpressures when none is; in mode `enforcing` it fails with `RATE_EXCEEDED` instead.
   *
   * @example
   * const startedAt = performance.now();
   * const elements = await Source.from([1, 2, 3])
   *   .throttle({ elements: 1, perMs: 20 })
   *   .runWith(Sink.toArray());
   * console.log(elements, performance.now() - startedAt > 35);
   * // [ 1, 2, 3 ] true
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
   *
   * @example
   * const totals = await Source.from([
   *   { user: "ann", amount: 1 },
   *   { user: "bob", amount: 2 },
   *   { user: "ann", amount: 3 },
   * ])
   *   .groupBy(100, (order) => order.user)
   *   .reduce((sum, order) => ({ user: sum.user, amount: sum.amount + order.amount }))
   *   .mergeSubstreams()
   *   .runWith(Sink.toArray());
   * console.log(totals);
   * // [ { user: 'ann', amount: 4 }, { user: 'bob', amount: 2 } ]
   */
  groupBy(maxSubstreams: number, key: (element: Out) => unknown): Substreams<Out, Mat, K> {
    requirePositive(maxSubstreams, "groupBy", "maxSubstreams");
    const merged = (flow: Blueprint): unknown => this.stage(groupBy<Out, unknown>({ maxSubstreams, key, flow }));
    return new Substreams<Out, Mat, K>(hole, merged);
  }

  /**
   * Takes elements from both as they come, in turn when both have some.
   * Completes when both have completed; fails when either fails.
   *
   * @example
   * const elements = await Source.from([1, 3])
   *   .merge(Source.from([2, 4]))
   *   .runWith(Sink.toArray());
   * console.log(elements.sort());
   * // [ 1, 2, 3, 4 ]
   */
  merge<B>(other: SourceShape<B, unknown>): Apply<K, Out | B, Mat> {
    return this.mergeMat(other, Keep.left);
  }

  /**
   * `merge` that combines the materialised values.
   *
   * @example
   * const [queues, elements] = Source.queue<number>(2)
   *   .mergeMat(Source.queue<number>(2), Keep.both)
   *   .toMat(Sink.toArray<number>(), Keep.both)
   *   .run();
   * for (const [at, queue] of queues.entries()) {
   *   queue.offer(at);
   *   queue.complete();
   * }
   * console.log((await elements).sort());
   * // [ 0, 1 ]
   */
  mergeMat<B, M2, M3>(other: SourceShape<B, M2>, combine: (left: Mat, right: M2) => M3): Apply<K, Out | B, M3> {
    return this.fanIn<Out | B, M2, M3>(merge, other, combine);
  }

  /**
   * Continues with `other` once this has completed; `other` is not asked before.
   * Completes when `other` completes.
   *
   * @example
   * const elements = await Source.from([1, 2])
   *   .concat(Source.from([3, 4]))
   *   .runWith(Sink.toArray());
   * console.log(elements);
   * // [ 1, 2, 3, 4 ]
   */
  concat<B>(other: SourceShape<B, unknown>): Apply<K, Out | B, Mat> {
    return this.concatMat(other, Keep.left);
  }

  /**
   * `concat` that combines the materialised values.
   *
   * @example
   * const [later, elements] = Source.from([1, 2])
   *   .concatMat(Source.queue<number>(2), Keep.right)
   *   .toMat(Sink.toArray<number>(), Keep.both)
   *   .run();
   * later.offer(3);
   * later.complete();
   * console.log(await elements);
   * // [ 1, 2, 3 ]
   */
  concatMat<B, M2, M3>(other: SourceShape<B, M2>, combine: (left: Mat, right: M2) => M3): Apply<K, Out | B, M3> {
    return this.fanIn<Out | B, M2, M3>(concat, other, combine);
  }

  /**
   * Pairs elements of both.
   * Emits when both have one. Completes when either completes; the other is then cancelled.
   *
   * @example
   * const pairs = await Source.from(["a", "b", "c"])
   *   .zip(Source.from([1, 2]))
   *   .runWith(Sink.toArray());
   * console.log(pairs);
   * // [ [ 'a', 1 ], [ 'b', 2 ] ]
   */
  zip<B>(other: SourceShape<B, unknown>): Apply<K, readonly [Out, B], Mat> {
    return this.zipMat(other, Keep.left);
  }

  /**
   * `zip` that combines the materialised values.
   *
   * @example
   * const [numbers, pairs] = Source.from(["a", "b"])
   *   .zipMat(Source.queue<number>(2), Keep.right)
   *   .toMat(Sink.toArray<readonly [string, number]>(), Keep.both)
   *   .run();
   * numbers.offer(1);
   * numbers.offer(2);
   * console.log(await pairs);
   * // [ [ 'a', 1 ], [ 'b', 2 ] ]
   */
  zipMat<B, M2, M3>(other: SourceShape<B, M2>, combine: (left: Mat, right: M2) => M3): Apply<K, readonly [Out, B], M3> {
    return this.fanIn<readonly [Out, B], M2, M3>(zip, other, combine);
  }

  /**
   * Sends every element through every flow and joins what they emit: `broadcast([f, g], Join.merge())`.
   * Backpressures when any flow does; goes on while any flow does. `Join.zip()` is refused with `INVALID_ARGUMENT` unless
   * every flow emits one element for each that it takes, in order, or every flow ends in a fold.
   *
   * @example
   * const sum = Flow.of<number>().fold(0, (total, n) => total + n);
   * const count = Flow.of<number>().fold(0, (total) => total + 1);
   * const rows = await Source.from([1, 2, 3])
   *   .broadcast([sum, count], Join.zip())
   *   .runWith(Sink.toArray());
   * console.log(rows);
   * // [ [ 6, 3 ] ]
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
   *
   * @example
   * const even = Flow.of<number>().map((n) => `${n} is even`);
   * const odd = Flow.of<number>().map((n) => `${n} is odd`);
   * const elements = await Source.from([1, 2, 3])
   *   .partition([even, odd], (n) => n % 2, Join.merge())
   *   .runWith(Sink.toArray());
   * console.log(elements.sort());
   * // [ '1 is odd', '2 is even', '3 is odd' ]
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
   *
   * @example
   * const invalid: string[] = [];
   * const numbers = await Source.from(["1", "two", "3"])
   *   .divertTo(
   *     Sink.forEach((text: string) => invalid.push(text)),
   *     (text) => Number.isNaN(Number(text)),
   *   )
   *   .map(Number)
   *   .runWith(Sink.toArray());
   * console.log(numbers, invalid);
   * // [ 1, 3 ] [ 'two' ]
   */
  divertTo(sink: SinkShape<Out, unknown>, when: (element: Out) => boolean): Apply<K, Out, Mat> {
    return this.divertToMat(sink, when, Keep.left);
  }

  /**
   * `divertTo` that combines the materialised values.
   *
   * @example
   * const [negative, rest] = Source.from([1, -2, 3, -4])
   *   .divertToMat(Sink.toArray<number>(), (n) => n < 0, Keep.right)
   *   .toMat(Sink.toArray<number>(), Keep.both)
   *   .run();
   * console.log(await negative, await rest);
   * // [ -2, -4 ] [ 1, 3 ]
   */
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
   *
   * @example
   * const audit: number[] = [];
   * const elements = await Source.from([1, 2])
   *   .alsoTo(Sink.forEach((n: number) => audit.push(n)))
   *   .map((n) => n * 10)
   *   .runWith(Sink.toArray());
   * console.log(elements, audit);
   * // [ 10, 20 ] [ 1, 2 ]
   */
  alsoTo(sink: SinkShape<Out, unknown>): Apply<K, Out, Mat> {
    return this.alsoToMat(sink, Keep.left);
  }

  /**
   * `alsoTo` that combines the materialised values.
   *
   * @example
   * const [count, last] = Source.from(["a", "b"])
   *   .alsoToMat(Sink.fold(0, (n: number) => n + 1), Keep.right)
   *   .toMat(Sink.last<string>(), Keep.both)
   *   .run();
   * console.log(await count, await last);
   * // 2 b
   */
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
   *
   * @example
   * const elements = await Source.from(["1", "x", "3"])
   *   .map((text) => {
   *     if (text === "x") throw new RangeError("not a number");
   *     return Number(text);
   *   })
   *   .recover((error) => (error instanceof RangeError ? -1 : undefined))
   *   .runWith(Sink.toArray());
   * console.log(elements);
   * // [ 1, -1 ]
   */
  recover<B>(f: (error: unknown) => B | undefined): Apply<K, Out | B, Mat> {
    return this.stage(recover<Out, B>(f));
  }

  /**
   * Appends a flow, keeping this side's materialised value.
   *
   * @example
   * const parse = Flow.of<string>()
   *   .map(Number)
   *   .filter(Number.isInteger);
   * const elements = await Source.from(["1", "x", "3"])
   *   .via(parse)
   *   .runWith(Sink.toArray());
   * console.log(elements);
   * // [ 1, 3 ]
   */
  via<B>(flow: FlowShape<Out, B, unknown>): Apply<K, B, Mat> {
    return this.viaMat(flow, Keep.left);
  }

  /**
   * Appends a flow and combines the materialised values.
   *
   * @example
   * const [killSwitch, ended] = Source.tick({ initialDelayMs: 0, intervalMs: 1 }, "tick")
   *   .viaMat(KillSwitches.single(), Keep.right)
   *   .toMat(Sink.ignore, Keep.both)
   *   .run();
   * killSwitch.shutdown();
   * await ended;
   * console.log("stopped");
   * // stopped
   */
  viaMat<B, M2, M3>(flow: FlowShape<Out, B, M2>, combine: (left: Mat, right: M2) => M3): Apply<K, B, M3> {
    return this.apply(node("graft", { upstream: this.blueprint, graft: flow.blueprint, combine }));
  }

  /**
   * Logs elements and completion at `debug` and failures at `error`, to the console unless a logger is given.
   * Adheres to supervision where `extract` throws; what the logger throws is dropped.
   *
   * @example
   * const quiet = () => undefined;
   * const logger: Logger = {
   *   debug: (message, fields) => console.log(message, ...Object.values(fields ?? {})),
   *   info: quiet,
   *   warn: quiet,
   *   error: quiet,
   * };
   * await Source.from([{ id: 1, body: "long" }])
   *   .log("orders", { logger, extract: (order) => order.id })
   *   .runWith(Sink.ignore);
   * // orders 1
   * // orders: completed
   */
  log(name: string, options: LogOptions<Out> = {}): Apply<K, Out, Mat> {
    return this.stage(log(name, options.logger ?? consoleLogger, options.extract ?? ((element: Out) => element)));
  }

  /**
   * Combines the materialised value with a promise of the end: resolved on completion or cancellation, rejected on failure.
   *
   * @example
   * const ended = Source.from([1, 2, 3])
   *   .watchTermination(Keep.right)
   *   .to(Sink.forEach((n: number) => console.log(n)))
   *   .run();
   * await ended;
   * console.log("ended");
   * // 1
   * // 2
   * // 3
   * // ended
   */
  watchTermination<M2>(combine: (mat: Mat, termination: Promise<void>) => M2): Apply<K, Out, M2> {
    const stage: MatStage<Out, Out, Promise<void>> = watchTermination<Out>();
    return this.apply(node("matStage", { upstream: this.blueprint, stage, combine }));
  }

  /**
   * Changes the materialised value.
   *
   * @example
   * const words = Source.queue<string>(8).mapMaterializedValue((queue) => ({
   *   say: (word: string) => queue.offer(word),
   *   stop: () => queue.complete(),
   * }));
   * const voice = words.to(Sink.forEach((word: string) => console.log(word))).run();
   * voice.say("hello");
   * voice.stop();
   * await new Promise(setImmediate);
   * // hello
   */
  mapMaterializedValue<M2>(f: (mat: Mat) => M2): Apply<K, Out, M2> {
    return this.apply(node("mat", { upstream: this.blueprint, f }));
  }

  /**
   * Applies attributes to every stage so far; attributes set further inside win.
   *
   * @example
   * const elements = await Source.from(["1", "x", "3"])
   *   .map((text) => BigInt(text))
   *   .withAttributes({ supervision: Supervision.resumingDecider })
   *   .runWith(Sink.toArray());
   * console.log(elements);
   * // [ 1n, 3n ]
   */
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
   *
   * @example
   * const lengths = await Source.from(["a", "bb", "c"])
   *   .groupBy(10, (text) => text.length)
   *   .fold("", (all, text) => all + text)
   *   .mergeSubstreams()
   *   .runWith(Sink.toArray());
   * console.log(lengths.sort());
   * // [ 'ac', 'bb' ]
   */
  mergeSubstreams(): Apply<Parent, Out, Mat> {
    return this.#merged(this.blueprint);
  }
}
