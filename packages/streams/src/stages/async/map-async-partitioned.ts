import { type KeyedWork, OrderedKeyedWindow, UnorderedKeyedWindow } from "../../engine/keyed-window.js";
import type { Stage } from "../../model/stage.js";

/** Bounds of `mapAsyncPartitioned` beside its parallelism. */
export interface PartitionedOptions {
  /** Elements that may wait for the open call of their key; default 4 × parallelism. */
  readonly waiting?: number;
}

export const mapAsyncPartitioned = <A, P, B>(work: KeyedWork<A, P, B>): Stage<A, B> => ({
  name: "mapAsyncPartitioned",
  traits: { order: "kept", elements: "kept" },
  create: (upstream, run) => new OrderedKeyedWindow(upstream, run, work),
});

export const mapAsyncPartitionedUnordered = <A, P, B>(work: KeyedWork<A, P, B>): Stage<A, B> => ({
  name: "mapAsyncPartitionedUnordered",
  traits: { order: "perKey", elements: "kept", key: work.key },
  create: (upstream, run) => new UnorderedKeyedWindow(upstream, run, work),
});
