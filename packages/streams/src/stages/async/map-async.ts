import { OrderedWindow, UnorderedWindow } from "../../engine/async-window.js";
import type { Stage } from "../../model/stage.js";

export const mapAsync = <A, B>(parallelism: number, f: (element: A) => B | PromiseLike<B>): Stage<A, B> => ({
  name: "mapAsync",
  traits: { order: "kept", elements: "kept" },
  create: (upstream, run) => new OrderedWindow(upstream, run, parallelism, f),
});

export const mapAsyncUnordered = <A, B>(parallelism: number, f: (element: A) => B | PromiseLike<B>): Stage<A, B> => ({
  name: "mapAsyncUnordered",
  traits: { order: "lost", elements: "kept" },
  create: (upstream, run) => new UnorderedWindow(upstream, run, parallelism, f),
});
