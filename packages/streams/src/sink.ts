import type { Attributes } from "./attributes.js";
import { type Blueprint, hole, node } from "./model/blueprint.js";
import type { SinkStage, Stage } from "./model/stage.js";
import { requirePositive } from "./errors.js";
import { Keep } from "./keep.js";
import type { SinkShape } from "./shapes.js";
import { mapAsyncUnordered } from "./stages/async/map-async.js";
import { foldSink, forEach, head, ignore, last, toArray } from "./stages/sink/sinks.js";

/** What a function that is not waited for may answer: anything but a promise. */
export type NotPromised =
  | void
  | null
  | boolean
  | number
  | bigint
  | string
  | symbol
  | (object & { readonly then?: undefined });

/** What `forEachAsync` does before its results are ignored. */
const calling = <A>(parallelism: number, f: (element: A) => unknown): Stage<A, unknown> => ({
  ...mapAsyncUnordered(parallelism, f),
  name: "forEachAsync",
});

/** The end of a stream, with one open inlet; it asks for elements as fast as it handles them. */
export class Sink<in In, out Mat> implements SinkShape<In, Mat> {
  declare readonly "~types"?: { readonly kind: "sink"; readonly in: (element: In) => void; readonly mat: Mat };
  readonly blueprint: Blueprint;

  constructor(blueprint: Blueprint) {
    this.blueprint = blueprint;
  }

  /** A sink of one stage, for stage authors. */
  static fromStage<In, Mat>(sink: SinkStage<In, Mat>): Sink<In, Mat> {
    return new Sink(node("sink", { upstream: hole, sink, combine: Keep.right }));
  }

  /**
   * Discards every element; the promise settles with the stream.
   *
   * @example
   * await Source.from([1, 2])
   *   .mapAsync(2, async (n) => console.log(n))
   *   .runWith(Sink.ignore);
   * // 1
   * // 2
   */
  static readonly ignore: Sink<unknown, Promise<void>> = Sink.fromStage(ignore);

  /**
   * Calls `f` for each element; a throw fails the stream. What `f` answers is not waited for: a promise is refused by the
   * types, and fails the stream with `INVALID_ARGUMENT`; use `forEachAsync`.
   *
   * @example
   * await Source.from(["a", "b"]).runWith(Sink.forEach((text) => console.log(text)));
   * // a
   * // b
   */
  static forEach<A>(f: (element: A) => NotPromised): Sink<A, Promise<void>> {
    return Sink.fromStage(forEach(f));
  }

  /**
   * Calls `f` for up to `parallelism` elements at a time, in no promised order of completion; a throw or a rejected promise
   * fails the stream. The promise settles once every call has. Adheres to supervision.
   *
   * @example
   * await Source.from(["a", "b"]).runWith(
   *   Sink.forEachAsync(2, async (text) => {
   *     await Promise.resolve();
   *     console.log(text);
   *   }),
   * );
   * // a
   * // b
   */
  static forEachAsync<A>(parallelism: number, f: (element: A) => unknown): Sink<A, Promise<void>> {
    requirePositive(parallelism, "forEachAsync", "parallelism");
    const upstream = node("stage", { upstream: hole, stage: calling(parallelism, f) });
    return new Sink(node("sink", { upstream, sink: ignore, combine: Keep.right }));
  }

  /**
   * Folds all elements; the promise is of the last state. A function that answers a promise fails the stream with
   * `INVALID_ARGUMENT`, unless `zero` is one.
   *
   * @example
   * const sum = await Source.from([1, 2, 3]).runWith(Sink.fold(0, (total, n) => total + n));
   * console.log(sum);
   * // 6
   */
  static fold<A, S>(zero: S, f: (state: S, element: A) => S): Sink<A, Promise<S>> {
    return Sink.fromStage(foldSink(zero, f));
  }

  /**
   * Gathers every element in memory.
   *
   * @example
   * console.log(await Source.from(new Set([1, 1, 2])).runWith(Sink.toArray()));
   * // [ 1, 2 ]
   */
  static toArray<A>(): Sink<A, Promise<A[]>> {
    return Sink.fromStage(toArray<A>());
  }

  /**
   * The first element, then cancels; rejects with `EMPTY_STREAM` when there is none.
   *
   * @example
   * console.log(await Source.unfold(7, (n) => [n + 1, n]).runWith(Sink.head()));
   * // 7
   */
  static head<A>(): Sink<A, Promise<A>> {
    return Sink.fromStage(head<A>());
  }

  /**
   * The last element; rejects with `EMPTY_STREAM` when there is none.
   *
   * @example
   * console.log(await Source.from([1, 2, 3]).runWith(Sink.last()));
   * // 3
   */
  static last<A>(): Sink<A, Promise<A>> {
    return Sink.fromStage(last<A>());
  }

  /** Changes the materialised value. */
  mapMaterializedValue<M2>(f: (mat: Mat) => M2): Sink<In, M2> {
    return new Sink(node("mat", { upstream: this.blueprint, f }));
  }

  /** Applies attributes to every stage of the sink. */
  withAttributes(attributes: Attributes): Sink<In, Mat> {
    return new Sink(node("attributes", { upstream: this.blueprint, attributes }));
  }
}
