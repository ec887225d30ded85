import { type Blueprint, node } from "./model/blueprint.js";
import type { Cancellable } from "./engine/clock.js";
import { iterate } from "./engine/iterator.js";
import type { RunOptions } from "./engine/run.js";
import type { SourceStage } from "./model/stage.js";
import { requireArgument, requirePositive, StreamError } from "./errors.js";
import { Keep } from "./keep.js";
import { type Kind, Operators } from "./operators.js";
import { RunnableGraph } from "./runnable-graph.js";
import type { SinkShape, SourceShape } from "./shapes.js";
import { asyncIterable } from "./stages/source/async-iterable.js";
import { failed } from "./stages/source/failed.js";
import { iterable } from "./stages/source/iterable.js";
import { type BoundedSourceQueue, queue } from "./stages/source/queue.js";
import { tick, type TickOptions } from "./stages/source/tick.js";
import { unfold } from "./stages/source/unfold.js";

interface SourceKind extends Kind {
  readonly Type: Source<this["Out"], this["Mat"]>;
}

const isIterable = <A>(value: unknown): value is Iterable<A> =>
  typeof (value as Partial<Iterable<A>> | undefined | null)?.[Symbol.iterator] === "function";

const isAsyncIterable = <A>(value: unknown): value is AsyncIterable<A> =>
  typeof (value as Partial<AsyncIterable<A>> | undefined | null)?.[Symbol.asyncIterator] === "function";

/** The beginning of a stream, with one open outlet; a value that does nothing until it is run. */
export class Source<out Out, out Mat = void> extends Operators<SourceKind, Out, Mat> implements SourceShape<Out, Mat> {
  declare readonly "~types"?: { readonly kind: "source"; readonly out: Out; readonly mat: Mat };
  readonly blueprint: Blueprint;

  constructor(blueprint: Blueprint) {
    super();
    this.blueprint = blueprint;
  }

  /** A source of one stage, for stage authors. */
  static fromStage<Out, Mat>(source: SourceStage<Out, Mat>): Source<Out, Mat> {
    return new Source(node("source", { source }));
  }

  /**
   * The elements of an array, an iterable or an async iterable; iterated anew for every run.
   * Emits when downstream asks. Cancelling closes the iterator.
   *
   * @example
   * const lines = async function* (): AsyncGenerator<string> {
   *   yield "first";
   *   yield "second";
   * };
   * const elements = await Source.from(lines()).runWith(Sink.toArray());
   * console.log(elements);
   * // [ 'first', 'second' ]
   */
  static from<A>(elements: Iterable<A> | AsyncIterable<A>): Source<A> {
    if (isAsyncIterable<A>(elements)) return Source.fromStage(asyncIterable(elements));
    if (isIterable<A>(elements)) return Source.fromStage(iterable(elements));
    throw new StreamError("NOT_A_SOURCE", `Source.from takes an iterable or async iterable, got ${typeof elements}`);
  }

  /**
   * One element.
   *
   * @example
   * console.log(await Source.single("hello").runWith(Sink.toArray()));
   * // [ 'hello' ]
   */
  static single<A>(element: A): Source<A> {
    return Source.fromStage({ ...iterable([element]), name: "single" });
  }

  /**
   * No element: completes at once.
   *
   * @example
   * console.log(await Source.empty<number>().runWith(Sink.toArray()));
   * // []
   */
  static empty<A = never>(): Source<A> {
    return Source.fromStage({ ...iterable<A>([]), name: "empty" });
  }

  /**
   * Fails at once with `error`.
   *
   * @example
   * const elements = await Source.from([1])
   *   .concat(Source.failed(new Error("broken")))
   *   .recover(() => -1)
   *   .runWith(Sink.toArray());
   * console.log(elements);
   * // [ 1, -1 ]
   */
  static failed<A = never>(error: unknown): Source<A> {
    return Source.fromStage(failed(error));
  }

  /**
   * Elements from a state: `f` answers the next state and an element, or `undefined` to complete.
   * Emits when downstream asks; a throw fails the stream.
   *
   * @example
   * const fibonacci = await Source.unfold({ now: 0, next: 1 }, ({ now, next }) => [{ now: next, next: now + next }, now])
   *   .take(8)
   *   .runWith(Sink.toArray());
   * console.log(fibonacci);
   * // [
   * //   0, 1, 1,  2,
   * //   3, 5, 8, 13
   * // ]
   */
  static unfold<S, A>(zero: S, f: (state: S) => readonly [next: S, element: A] | undefined): Source<A> {
    return Source.fromStage(unfold(zero, f));
  }

  /**
   * The same element at an interval; a tick that finds no demand is dropped.
   * Materialises a handle whose `cancel()` completes the stream.
   *
   * @example
   * const beats = await Source.tick({ initialDelayMs: 0, intervalMs: 5 }, "beat")
   *   .take(3)
   *   .runWith(Sink.toArray());
   * console.log(beats);
   * // [ 'beat', 'beat', 'beat' ]
   */
  static tick<A>(options: TickOptions, element: A): Source<A, Cancellable> {
    requireArgument(options.initialDelayMs >= 0, "tick", `initialDelayMs must be >= 0, got ${options.initialDelayMs}`);
    requireArgument(options.intervalMs > 0, "tick", `intervalMs must be > 0, got ${options.intervalMs}`);
    return Source.fromStage(tick(options, element));
  }

  /**
   * A queue to write to from outside, of at most `bound` elements.
   * Materialises the writing end, whose `offer` answers at once.
   *
   * @example
   * const [queue, all] = Source.queue<number>(2).toMat(Sink.toArray<number>(), Keep.both).run();
   * console.log(queue.offer(1), queue.offer(2), queue.offer(3));
   * queue.complete();
   * console.log(await all, queue.offer(4));
   * // enqueued enqueued dropped
   * // [ 1, 2 ] closed
   */
  static queue<A>(bound: number): Source<A, BoundedSourceQueue<A>> {
    requirePositive(bound, "queue", "bound");
    return Source.fromStage(queue<A>(bound));
  }

  protected derive(blueprint: Blueprint): Source<unknown, unknown> {
    return new Source(blueprint);
  }

  /** Closes the stream with a sink, keeping the source's materialised value. */
  to(sink: SinkShape<Out, unknown>): RunnableGraph<Mat> {
    return this.toMat(sink, Keep.left);
  }

  /** Closes the stream with a sink and combines the materialised values. */
  toMat<M2, M3>(sink: SinkShape<Out, M2>, combine: (left: Mat, right: M2) => M3): RunnableGraph<M3> {
    return new RunnableGraph(node("graft", { upstream: this.blueprint, graft: sink.blueprint, combine }));
  }

  /** Runs into a sink and answers the sink's materialised value. */
  runWith<M2>(sink: SinkShape<Out, M2>, options?: RunOptions): M2 {
    return this.toMat<M2, M2>(sink, Keep.right).run(options);
  }

  /**
   * Runs the source as an async iterator; the materialised value is dropped. Its `next()` rejects with
   * `ITERATED_FROM_INSIDE` when a function of this very stream calls it.
   */
  iterate(options?: RunOptions): AsyncIterableIterator<Out> {
    return iterate<Out>(this.blueprint, options);
  }

  /** `for await (const element of source)`: every loop is a run of its own; leaving the loop cancels it. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Out> {
    return this.iterate();
  }
}
