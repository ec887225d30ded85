import type { Attributes } from "../attributes.js";
import { COPY, type Copy } from "../copies.js";
import type { Fork, Junction, MatStage, SinkStage, SourceStage, Stage } from "./stage.js";

/** Combines two materialised values. */
export type Combine = (left: never, right: never) => unknown;

/** A stage that runs a flow of its own for each part of the stream. */
export interface SubstreamStage<in In, out Out> extends Stage<In, Out> {
  readonly substream: Blueprint;
}

/**
 * How things are connected, as an immutable tree read from its end: every node knows its upstream. What a stage does is
 * the stage's own business; the interpreter and `describe` look at tags only.
 */
export type Blueprint = Part & {
  /** What made the node. */
  readonly copy: Copy;
  /** No source in it checks the graph before it runs, so it need not be walked for one. */
  readonly unchecked?: boolean;
};

type Part =
  | { readonly tag: "source"; readonly source: SourceStage<unknown, unknown> }
  /** The open inlet of a flow or sink. */
  | { readonly tag: "hole" }
  | {
      readonly tag: "stage";
      readonly upstream: Blueprint;
      readonly stage: Stage<never, unknown> | SubstreamStage<never, unknown>;
    }
  | {
      readonly tag: "matStage";
      readonly upstream: Blueprint;
      readonly stage: MatStage<never, unknown, unknown>;
      readonly combine: Combine;
    }
  | {
      readonly tag: "sink";
      readonly upstream: Blueprint;
      readonly sink: SinkStage<never, unknown>;
      readonly combine: Combine;
    }
  /** A flow or sink put at the end of `upstream` (via, to). */
  | { readonly tag: "graft"; readonly upstream: Blueprint; readonly graft: Blueprint; readonly combine: Combine }
  | {
      readonly tag: "fanIn";
      readonly upstreams: readonly [Blueprint, Blueprint];
      readonly junction: Junction<never, unknown>;
      readonly combine: Combine;
    }
  /** Branches are flows or sinks; the outlets of those that have one are joined again. */
  | {
      readonly tag: "fanOut";
      readonly upstream: Blueprint;
      readonly fork: Fork<never, unknown>;
      readonly branches: readonly Blueprint[];
      readonly join: Junction<never, unknown> | undefined;
      readonly combine: (upstream: never, branches: never) => unknown;
    }
  | { readonly tag: "mat"; readonly upstream: Blueprint; readonly f: (mat: never) => unknown }
  | { readonly tag: "attributes"; readonly upstream: Blueprint; readonly attributes: Attributes };

export type Node<Tag extends Blueprint["tag"]> = Extract<Blueprint, { tag: Tag }>;

/** What another copy of this package has made is walked, to see whether it fits. */
const isUnchecked = (plan: Blueprint): boolean => plan.copy === COPY && plan.unchecked === true;

const partsUnchecked = (part: Part): boolean => {
  switch (part.tag) {
    case "source":
      return part.source.check === undefined;
    case "hole":
      return true;
    case "stage":
      return isUnchecked(part.upstream) && !("substream" in part.stage && !isUnchecked(part.stage.substream));
    case "graft":
      return isUnchecked(part.upstream) && isUnchecked(part.graft);
    case "fanIn":
      return part.upstreams.every(isUnchecked);
    case "fanOut":
      return isUnchecked(part.upstream) && part.branches.every(isUnchecked);
    default:
      return isUnchecked(part.upstream);
  }
};

/** Freezes `fields` itself, so pass a fresh object: a copy would double the cost of building a graph. */
export const node = <const Tag extends Blueprint["tag"]>(
  tag: Tag,
  fields: Omit<Node<Tag>, "tag" | "copy" | "unchecked">,
): Blueprint => {
  const part = fields as unknown as { tag: Tag; copy: Copy; unchecked: boolean };
  part.tag = tag;
  part.copy = COPY;
  part.unchecked = partsUnchecked(part as unknown as Part);
  return Object.freeze(part) as unknown as Blueprint;
};

export const hole: Blueprint = Object.freeze({ tag: "hole", copy: COPY, unchecked: true });
