import type { Attributes } from "../attributes.js";
import type { Pull } from "./pull.js";
import type { Run, RunOptions } from "../engine/run.js";

/** What a stage does to the elements that pass through it: data for checks that look at a graph before it runs. */
export interface StageTraits {
  /**
   * Whether outputs leave in the order of the inputs they came from: always, only among inputs of one `key`, or not.
   */
  readonly order: "kept" | "perKey" | "lost";
  /**
   * What happens to an input. `kept`: one output, until the stage ends the stream. `mayDrop`: none, where the author's
   * function or number says so. `mayAdd`: any number. `gathered`: it goes into an output together with others.
   * `folded`: all go into one output at the end. `lossy`: it may be dropped for want of room or time, or because
   * something failed.
   */
  readonly elements: "kept" | "mayDrop" | "mayAdd" | "gathered" | "folded" | "lossy";
  /** A function of the author keeps a state between elements, in which an element may stay after its output has left. */
  readonly keepsState?: true;
  /** Of a stage that splits by a key. */
  readonly key?: (element: never) => unknown;
  /** Elements end here, as offsets do in a committer: what leaves is a result, not an element. */
  readonly finishes?: true;
  /** It may complete the stream although upstream has more. */
  readonly ends?: true;
  /** It may emit an element of its own in place of a failure. */
  readonly recovers?: true;
}

/** What a sink does to its elements. */
export type SinkTraits = Pick<StageTraits, "finishes">;

/** What a junction does to the elements of its inlets; in each inlet they are in order. */
export interface JunctionTraits {
  /**
   * `pairs`: one element of every inlet makes one output. `mixes`: all pass, in no promised order across inlets.
   * `appends`: all pass, those of an inlet behind those of the one before.
   */
  readonly joins: "pairs" | "mixes" | "appends";
}

/** What a fork does to an element. */
export interface ForkTraits {
  /** Every outlet gets it, or one of them. */
  readonly to: "all" | "one";
}

/** One step of a stream: what it does lives in `create`, called once per materialisation. */
export interface Stage<in In, out Out> {
  readonly name: string;
  /** Absent: nothing is known. */
  readonly traits?: StageTraits;
  create(upstream: Pull<In>, run: Run): Pull<Out>;
}

export interface Outlet<out Out, out Mat> {
  readonly outlet: Pull<Out>;
  readonly mat: Mat;
}

/** A stage with a materialised value. */
export interface MatStage<in In, out Out, out Mat> {
  readonly name: string;
  /** Absent: nothing is known. */
  readonly traits?: StageTraits;
  createWithMat(upstream: Pull<In>, run: Run): Outlet<Out, Mat>;
}

export interface SourceStage<out Out, out Mat> {
  readonly name: string;
  create(run: Run): Outlet<Out, Mat>;
  /** Called before anything of a graph is built: a throw refuses to run it. `source` is this stage's node in `graph`. */
  check?(graph: Wiring, source: WiringNode, options: RunOptions): void;
}

/** The end of a stream; it drives the pulling, as a terminal of the run. */
export interface SinkStage<in In, out Mat> {
  readonly name: string;
  /** Absent: nothing is known. */
  readonly traits?: SinkTraits;
  create(upstream: Pull<In>, run: Run): Mat;
}

/** Several inlets, one outlet. */
export interface Junction<in In, out Out> {
  readonly name: string;
  /** Absent: nothing is known. */
  readonly traits?: JunctionTraits;
  create(upstreams: readonly Pull<In>[], run: Run): Pull<Out>;
}

/** One inlet, several outlets, of which each must be consumed. */
export interface Fork<in In, out Out> {
  readonly name: string;
  /** Absent: nothing is known. */
  readonly traits?: ForkTraits;
  create(upstream: Pull<In>, outlets: number, run: Run): readonly Pull<Out>[];
}

/** A graph as nodes, each after those that feed it. */
export type Wiring = readonly WiringNode[];

/** One stage of a graph, in its place. */
export type WiringNode = WiringPlace &
  (
    | { readonly kind: "source"; readonly stage: SourceStage<unknown, unknown> }
    | { readonly kind: "stage"; readonly stage: Stage<never, unknown> | MatStage<never, unknown, unknown> }
    /** Where the substreams of `stage` come together again. */
    | { readonly kind: "substreamsEnd"; readonly stage: Stage<never, unknown> }
    | { readonly kind: "junction"; readonly stage: Junction<never, unknown> }
    | { readonly kind: "fork"; readonly stage: Fork<never, unknown> }
    | { readonly kind: "sink"; readonly stage: SinkStage<never, unknown> }
  );

export interface WiringPlace {
  /** Unique in its graph. */
  readonly id: string;
  /** The stage's name, behind names given by attributes. */
  readonly label: string;
  /** Those that apply here, outer ones included. */
  readonly attributes: Attributes;
  readonly inputs: readonly WiringInput[];
}

/** What feeds an inlet. */
export interface WiringInput {
  readonly node: WiringNode;
  /** Which outlet of it, from 0; only a fork has several. */
  readonly outlet: number;
}
