import type { Attributes } from "../attributes.js";
import { type Blueprint, hole, node, type SubstreamStage } from "../model/blueprint.js";
import type { MatStage, Stage } from "../model/stage.js";
import { requireArgument, requirePositive } from "../errors.js";
import { Flow } from "../flow.js";
import { Keep } from "../keep.js";
import type { Apply, Join, Kind } from "../operators.js";
import { beside, fanIn, forked, holding, plain, shared, taking, zipped } from "./plans.js";
import type { FlowsWithContext, FlowWithContextShape, SourceWithContextShape } from "./shapes.js";
import { aggregateWithBoundary, type BoundaryOptions } from "../stages/async/aggregate-with-boundary.js";
import { buffer, type OverflowStrategy } from "../stages/async/buffer.js";
import type { PartitionedOptions } from "../stages/async/map-async-partitioned.js";
import type { ThrottleOptions } from "../stages/async/throttle.js";
import type { LogOptions } from "../stages/element/log.js";
import { watchTermination } from "../stages/element/watch-termination.js";
import { concat } from "../stages/fan-in/concat.js";
import { merge } from "../stages/fan-in/merge.js";
import { divertTo } from "../stages/fan-out/divert-to.js";
import { routing } from "../stages/fan-out/partition.js";
import { aggregatingCells } from "../stages/with-context/aggregate.js";
import { aggregating } from "../stages/with-context/batch.js";
import { joint, type WithClaim } from "../stages/with-context/claim.js";
import { collect, drop, filter, map } from "../stages/with-context/element.js";
import { groupFlow } from "../stages/with-context/group-by.js";
import { guardedFork } from "../stages/with-context/guarded.js";
import { answering } from "../stages/with-context/map-concat.js";
import { takeInPart, takeWhileInPart } from "../stages/with-context/take.js";

/**
 * Every operator that can say how a claim ends, shared by `SourceWithContext`, `FlowWithContext` and
 * `SubstreamsWithContext`. Each does to elements what the operator of its name does on `Source`. The claim of an
 * element follows it. It ends as discarded when the element is dropped; it stays open, so that the record is replayed,
 * when the stream ends or fails first. A decider that answers `resume` or `restart` discards the failing element.
 *
 * Long: a method for each operator.
 */
export abstract class OperatorsWithContext<K extends Kind, out Out, out Mat> {
  abstract readonly blueprint: Blueprint;

  protected abstract derive(blueprint: Blueprint): unknown;

  protected apply<B, M>(blueprint: Blueprint): Apply<K, B, M> {
    return this.derive(blueprint);
  }

  protected stage<B>(stage: Stage<never, WithClaim<B>>): Apply<K, B, Mat> {
    return this.apply(node("stage", { upstream: this.blueprint, stage }));
  }

  /** Changes each element. */
  map<B>(f: (element: Out) => B): Apply<K, B, Mat> {
    return this.stage(map(f));
  }

  /** Passes on the elements for which `holds` is true; discards the others. */
  filter<B extends Out>(holds: (element: Out) => element is B): Apply<K, B, Mat>;
  filter(holds: (element: Out) => boolean): Apply<K, Out, Mat>;
  filter(holds: (element: Out) => boolean): Apply<K, Out, Mat> {
    return this.stage(filter("filter", holds, true));
  }

  /** Passes on the elements for which `holds` is false; discards the others. */
  filterNot(holds: (element: Out) => boolean): Apply<K, Out, Mat> {
    return this.stage(filter("filterNot", holds, false));
  }

  /** Maps and filters in one: discards what `f` maps to `undefined`. */
  collect<B>(f: (element: Out) => B): Apply<K, Exclude<B, undefined>, Mat> {
    return this.stage(collect(f));
  }

  /**
   * Changes each element into zero or more; its claim ends once all of them have, and nothing more can come: as processed
   * when there were none.
   */
  mapConcat<B>(f: (element: Out) => Iterable<B>): Apply<K, B, Mat> {
    return this.stage(plain<Out, B>("mapConcat", (pairs, guard) => pairs.mapConcat(answering(f, guard))));
  }

  /** Calls `f` for up to `parallelism` elements at a time and emits the results in the order of the input. */
  mapAsync<B>(parallelism: number, f: (element: Out) => B | PromiseLike<B>): Apply<K, B, Mat> {
    return this.stage(plain<Out, B>("mapAsync", (pairs, guard) => pairs.mapAsync(parallelism, guard.calling(f))));
  }

  /** Like `mapAsync`, but emits results as they come. */
  mapAsyncUnordered<B>(parallelism: number, f: (element: Out) => B | PromiseLike<B>): Apply<K, B, Mat> {
    return this.stage(
      plain<Out, B>("mapAsyncUnordered", (pairs, guard) => pairs.mapAsyncUnordered(parallelism, guard.calling(f))),
    );
  }

  /** Like `mapAsync`, with at most one open call per key; elements of a key are handled in input order. */
  mapAsyncPartitioned<P, B>(
    parallelism: number,
    key: (element: Out) => P,
    f: (element: Out, key: P) => B | PromiseLike<B>,
    options: PartitionedOptions = {},
  ): Apply<K, B, Mat> {
    return this.stage(
      plain<Out, B>("mapAsyncPartitioned", (pairs, guard) =>
        pairs.mapAsyncPartitioned(parallelism, guard.on(key), guard.callingByKey(f), options),
      ),
    );
  }

  /** Like `mapAsyncPartitioned`, but emits results as they come; those of one key still in input order. */
  mapAsyncPartitionedUnordered<P, B>(
    parallelism: number,
    key: (element: Out) => P,
    f: (element: Out, key: P) => B | PromiseLike<B>,
    options: PartitionedOptions = {},
  ): Apply<K, B, Mat> {
    return this.stage(
      plain<Out, B>("mapAsyncPartitionedUnordered", (pairs, guard) =>
        pairs.mapAsyncPartitionedUnordered(parallelism, guard.on(key), guard.callingByKey(f), options),
      ),
    );
  }

  /**
   * Passes on the first `count` elements, then completes; the rest stays open. In a branch or a group, whose stream goes
   * on, the rest is discarded.
   */
  take(count: number): Apply<K, Out, Mat> {
    return this.stage(
      taking<Out>("take", (pairs, guard) => {
        const taken = pairs.take(count);
        return guard.part ? Flow.fromStage(takeInPart<Out>(count, guard)) : taken;
      }),
    );
  }

  /** Passes elements on while `holds` is true; the rest is treated as with `take`. */
  takeWhile(holds: (element: Out) => boolean, options: { readonly inclusive?: boolean } = {}): Apply<K, Out, Mat> {
    return this.stage(
      taking<Out>("takeWhile", (pairs, guard) =>
        guard.part
          ? Flow.fromStage(takeWhileInPart(holds, options.inclusive ?? false, guard))
          : pairs.takeWhile(guard.on(holds), options),
      ),
    );
  }

  /** Discards the first `count` elements. */
  drop(count: number): Apply<K, Out, Mat> {
    requireArgument(Number.isInteger(count) && count >= 0, "drop", `count must be a whole number >= 0, got ${count}`);
    return this.stage(drop<Out>(count));
  }

  /**
   * Changes each element with a state: `f` answers the next state and the element to emit. There is no `onComplete` here:
   * what it emits would have no claim. The claim goes on with what `f` emits: an element that stays in the state beyond that
   * is committed all the same, so keep elements with `aggregateWithBoundary`.
   */
  statefulMap<S, B>(create: () => S, f: (state: S, element: Out) => readonly [next: S, out: B]): Apply<K, B, Mat> {
    return this.stage({
      ...plain<Out, B>("statefulMap", (pairs, guard) => pairs.statefulMap(create, guard.mapping(f))),
      traits: { order: "kept", elements: "kept", keepsState: true },
    });
  }

  /** Gathers elements into arrays of `size`, each with the claims of all its elements. */
  grouped(size: number): Apply<K, readonly Out[], Mat> {
    return this.stage(holding<Out, readonly Out[]>("grouped", (pairs) => pairs.grouped(size).map(joint)));
  }

  /** Gathers elements into arrays of at most `size`, none of which waits longer than `intervalMs` for its first. */
  groupedWithin(size: number, intervalMs: number): Apply<K, readonly Out[], Mat> {
    return this.stage(
      holding<Out, readonly Out[]>("groupedWithin", (pairs) => pairs.groupedWithin(size, intervalMs).map(joint)),
    );
  }

  /**
   * Gathers elements into an aggregate that is emitted at a boundary, with the claims of all that it was made of: the
   * operator for a state that keeps elements. It holds as many claims as it keeps elements.
   */
  aggregateWithBoundary<S, B>(
    allocate: () => S,
    aggregate: (aggregate: S, element: Out) => readonly [next: S, complete: boolean],
    harvest: (aggregate: S) => B,
    { startsNew, emitOnTimer }: BoundaryOptions<S, Out> = {},
  ): Apply<K, B, Mat> {
    return this.stage(
      holding<Out, B>("aggregateWithBoundary", (_, guard) => {
        const pairs = aggregatingCells({ allocate, aggregate, harvest, startsNew, when: emitOnTimer?.when }, guard);
        const { when, ...logic } = pairs;
        return Flow.fromStage(
          aggregateWithBoundary({ ...logic, ...(emitOnTimer && { emitOnTimer: { ...emitOnTimer, when } }) }),
        );
      }),
    );
  }

  /** Gathers elements into a batch while downstream is busy; a batch that `restart` drops is discarded. */
  batch<S>(max: number, seed: (element: Out) => S, aggregate: (batch: S, element: Out) => S): Apply<K, S, Mat> {
    return this.stage(
      holding<Out, S>("batch", (pairs, guard) => pairs.batch(max, guard.changing(seed), aggregating(aggregate, guard))),
    );
  }

  /** Folds elements into one while downstream is busy; it holds as many claims as its source allows to be open. */
  conflate(aggregate: (kept: Out, element: Out) => Out): Apply<K, Out, Mat> {
    return this.stage(holding<Out, Out>("conflate", (pairs, guard) => pairs.conflate(aggregating(aggregate, guard))));
  }

  /** Reads ahead of downstream by up to `bound` elements; discards what `strategy` drops. */
  buffer(bound: number, strategy: OverflowStrategy = "backpressure"): Apply<K, Out, Mat> {
    requirePositive(bound, "buffer", "bound");
    return this.stage(
      holding<Out, Out>("buffer", (_, guard) => {
        const reason = `dropped by ${guard.name}`;
        return Flow.fromStage(buffer(bound, strategy, ({ claim }) => claim.end("discarded", reason)));
      }),
    );
  }

  /** Limits the rate to `elements` per `perMs`, with bursts of up to `maximumBurst`; defaults as for a plain stream. */
  throttle(options: ThrottleOptions): Apply<K, Out, Mat> {
    return this.stage(holding<Out, Out>("throttle", (pairs) => pairs.throttle(options)));
  }

  /**
   * Splits the stream by key; the operators that follow apply to each group by itself, until `mergeSubstreams`. A group
   * that completes before its elements do, as by `zip`, fails the stream.
   */
  groupBy(maxSubstreams: number, key: (element: Out) => unknown): SubstreamsWithContext<Out, Mat, K> {
    const grouping = (flow: Blueprint): SubstreamStage<WithClaim<Out>, WithClaim<unknown>> => ({
      ...plain<Out, unknown>("groupBy", (pairs, guard) => {
        const group = new Flow<WithClaim<Out>, WithClaim<unknown>>(groupFlow(flow, guard.run));
        return pairs.groupBy(maxSubstreams, guard.on(key)).via(group).mergeSubstreams();
      }),
      traits: { order: "perKey", elements: "kept" },
      substream: flow,
    });
    requirePositive(maxSubstreams, "groupBy", "maxSubstreams");
    return new SubstreamsWithContext<Out, Mat, K>(hole, (flow) => this.stage(grouping(flow)));
  }

  /** Takes elements from both as they come, in turn when both have some. */
  merge<B>(other: SourceWithContextShape<B, unknown>): Apply<K, Out | B, Mat> {
    return this.mergeMat(other, Keep.left);
  }

  /** `merge` that combines the materialised values. */
  mergeMat<B, M2, M3>(
    other: SourceWithContextShape<B, M2>,
    combine: (left: Mat, right: M2) => M3,
  ): Apply<K, Out | B, M3> {
    return this.apply(fanIn(this.blueprint, merge, other.blueprint, combine));
  }

  /** Continues with `other` once this has completed. */
  concat<B>(other: SourceWithContextShape<B, unknown>): Apply<K, Out | B, Mat> {
    return this.concatMat(other, Keep.left);
  }

  /** `concat` that combines the materialised values. */
  concatMat<B, M2, M3>(
    other: SourceWithContextShape<B, M2>,
    combine: (left: Mat, right: M2) => M3,
  ): Apply<K, Out | B, M3> {
    return this.apply(fanIn(this.blueprint, concat, other.blueprint, combine));
  }

  /** Pairs elements of both, with the claims of both; what has no partner when either completes stays open. */
  zip<B>(other: SourceWithContextShape<B, unknown>): Apply<K, readonly [Out, B], Mat> {
    return this.zipMat(other, Keep.left);
  }

  /** `zip` that combines the materialised values. */
  zipMat<B, M2, M3>(
    other: SourceWithContextShape<B, M2>,
    combine: (left: Mat, right: M2) => M3,
  ): Apply<K, readonly [Out, B], M3> {
    return this.apply(fanIn(this.blueprint, zipped, other.blueprint, combine));
  }

  /** Sends every element through every flow and joins what they emit; the first flow that completes ends the stream. */
  broadcast<Branches extends readonly [unknown, ...unknown[]], B>(
    flows: FlowsWithContext<Out, Branches>,
    join: Join<Branches[number], B>,
  ): Apply<K, B, Mat> {
    return this.apply(forked(this.blueprint, { ...shared, name: "broadcast" }, flows, join));
  }

  /** Sends each element through the one flow whose index `choose` answers; the first that completes ends the stream. */
  partition<Branches extends readonly [unknown, ...unknown[]], B>(
    flows: FlowsWithContext<Out, Branches>,
    choose: (element: Out) => number,
    join: Join<Branches[number], B>,
  ): Apply<K, B, Mat> {
    const fork = guardedFork<WithClaim<Out>>("partition", (guard) =>
      routing({ name: "partition", choose: guard.on(choose), eagerCancel: true }),
    );
    return this.apply(forked(this.blueprint, fork, flows, join));
  }

  /** Sends the elements for which `when` is true into `flow`, at whose end they count as processed; passes on the others. */
  divertTo(flow: FlowWithContextShape<Out, unknown, unknown>, when: (element: Out) => boolean): Apply<K, Out, Mat> {
    return this.divertToMat(flow, when, Keep.left);
  }

  /** `divertTo` that combines the materialised values. */
  divertToMat<M2, M3>(
    flow: FlowWithContextShape<Out, unknown, M2>,
    when: (element: Out) => boolean,
    combine: (left: Mat, right: M2) => M3,
  ): Apply<K, Out, M3> {
    const fork = guardedFork<WithClaim<Out>>("divertTo", (guard) => divertTo(guard.on(when)));
    return this.apply(beside(this.blueprint, fork, flow, combine));
  }

  /** Sends every element into `flow` as well; its claim ends once both have dealt with it. */
  alsoTo(flow: FlowWithContextShape<Out, unknown, unknown>): Apply<K, Out, Mat> {
    return this.alsoToMat(flow, Keep.left);
  }

  /** `alsoTo` that combines the materialised values. */
  alsoToMat<M2, M3>(
    flow: FlowWithContextShape<Out, unknown, M2>,
    combine: (left: Mat, right: M2) => M3,
  ): Apply<K, Out, M3> {
    return this.apply(beside(this.blueprint, shared, flow, combine));
  }

  /** Appends a flow, keeping this side's materialised value. */
  via<B>(flow: FlowWithContextShape<Out, B, unknown>): Apply<K, B, Mat> {
    return this.viaMat(flow, Keep.left);
  }

  /** Appends a flow and combines the materialised values. */
  viaMat<B, M2, M3>(flow: FlowWithContextShape<Out, B, M2>, combine: (left: Mat, right: M2) => M3): Apply<K, B, M3> {
    return this.apply(node("graft", { upstream: this.blueprint, graft: flow.blueprint, combine }));
  }

  /** Logs elements and completion at `debug` and failures at `error`, to the console unless a logger is given. */
  log(name: string, options: LogOptions<Out> = {}): Apply<K, Out, Mat> {
    const { extract = (element: Out): unknown => element } = options;
    return this.stage(
      plain<Out, Out>("log", (pairs, guard) => pairs.log(name, { ...options, extract: guard.on(extract) })),
    );
  }

  /** Combines the materialised value with a promise of the end. */
  watchTermination<M2>(combine: (mat: Mat, termination: Promise<void>) => M2): Apply<K, Out, M2> {
    const stage: MatStage<unknown, unknown, Promise<void>> = watchTermination();
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

/** Answers `SubstreamsWithContext` over the same parent. */
interface SubstreamsWithContextKind<Parent extends Kind> extends Kind {
  readonly Type: SubstreamsWithContext<this["Out"], this["Mat"], Parent>;
}

/** What `groupBy` answers here: operators apply to each group by itself. */
export class SubstreamsWithContext<out Out, out Mat, Parent extends Kind> extends OperatorsWithContext<
  SubstreamsWithContextKind<Parent>,
  Out,
  Mat
> {
  readonly blueprint: Blueprint;
  readonly #merged: (flow: Blueprint) => unknown;

  constructor(blueprint: Blueprint, merged: (flow: Blueprint) => unknown) {
    super();
    this.blueprint = blueprint;
    this.#merged = merged;
  }

  protected derive(blueprint: Blueprint): SubstreamsWithContext<unknown, unknown, Parent> {
    return new SubstreamsWithContext(blueprint, this.#merged);
  }

  /** Merges what the groups emit, in no promised order between groups. */
  mergeSubstreams(): Apply<Parent, Out, Mat> {
    return this.#merged(this.blueprint);
  }
}
