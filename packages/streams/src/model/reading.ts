import type { Blueprint, Node } from "./blueprint.js";
import { requireFit } from "./fit.js";

/**
 * What a blueprint means: a value for each of its parts, made from those that feed it, in the order in which they would be
 * built. `C` is what holds for a part from outside, such as attributes.
 */
export interface Reading<C, V> {
  source(plan: Node<"source">, context: C): V;
  stage(plan: Node<"stage"> | Node<"matStage">, context: C, upstream: V): V;
  sink(plan: Node<"sink">, context: C, upstream: V): V;
  /** Absent: the flow of substreams is not looked into. */
  readonly substreamsEnd?: (plan: Node<"stage">, context: C, ends: V) => V;
  /** The inlet of what is put behind `upstream`. */
  behind(upstream: V): V;
  graft(plan: Node<"graft">, upstream: V, graft: V): V;
  fanIn(plan: Node<"fanIn">, context: C, upstreams: readonly V[]): V;
  /** The inlets of the branches. */
  fork(plan: Node<"fanOut">, context: C, upstream: V): readonly V[];
  join(plan: Node<"fanOut">, context: C, upstream: V, branches: readonly V[]): V;
  mat(plan: Node<"mat">, upstream: V): V;
  /** What holds below `plan`. */
  inside(plan: Node<"attributes">, context: C): C;
  outside(plan: Node<"attributes">, inner: C, value: V): V;
}

/** A part that is to be read; `step` counts how far that has come. */
interface Part<C, V> {
  readonly plan: Blueprint;
  readonly context: C;
  readonly inlet: V;
  step: number;
}

/** Goes through a blueprint without recursion: a chain may be thousands of stages long, and so may what is put into it. */
class Reader<C, V> {
  readonly #by: Reading<C, V>;
  readonly #parts: Part<C, V>[] = [];
  readonly #values: V[] = [];

  constructor(by: Reading<C, V>) {
    this.#by = by;
  }

  read(plan: Blueprint, context: C, inlet: V): V {
    this.#enter(plan, context, inlet);
    for (let part = this.#parts.pop(); part; part = this.#parts.pop()) {
      part.step += 1;
      if (part.step === 1) this.#begin(part);
      else this.#goOn(part);
    }
    return this.#take();
  }

  #enter(plan: Blueprint, context: C, inlet: V): void {
    requireFit(plan);
    this.#parts.push({ plan, context, inlet, step: 0 });
  }

  /** The first of `plans` is entered last, so that it is read first. */
  #enterAll(plans: readonly Blueprint[], context: C, inletOf: (index: number) => V): void {
    for (let index = plans.length - 1; index >= 0; index--) {
      this.#enter(plans[index] as Blueprint, context, inletOf(index));
    }
  }

  #take(): V {
    return this.#values.pop() as V;
  }

  #takeAll(count: number): readonly V[] {
    return this.#values.splice(this.#values.length - count);
  }

  /** What feeds a part comes before it. */
  #begin(part: Part<C, V>): void {
    const { plan, context, inlet } = part;
    switch (plan.tag) {
      case "hole":
        this.#values.push(inlet);
        return;
      case "source":
        this.#values.push(this.#by.source(plan, context));
        return;
      case "fanIn":
        this.#parts.push(part);
        this.#enterAll(plan.upstreams, context, () => inlet);
        return;
      case "attributes": {
        const inner = this.#by.inside(plan, context);
        this.#parts.push({ ...part, context: inner });
        this.#enter(plan.upstream, inner, inlet);
        return;
      }
      default:
        this.#parts.push(part);
        this.#enter(plan.upstream, context, inlet);
    }
  }

  #goOn(part: Part<C, V>): void {
    const by = this.#by;
    const { plan, context } = part;
    switch (plan.tag) {
      case "stage":
        this.#stage(plan, part);
        return;
      case "matStage":
        this.#values.push(by.stage(plan, context, this.#take()));
        return;
      case "sink":
        this.#values.push(by.sink(plan, context, this.#take()));
        return;
      case "graft":
        this.#graft(plan, part);
        return;
      case "fanIn":
        this.#values.push(by.fanIn(plan, context, this.#takeAll(plan.upstreams.length)));
        return;
      case "fanOut":
        this.#fanOut(plan, part);
        return;
      case "mat":
        this.#values.push(by.mat(plan, this.#take()));
        return;
      case "attributes":
        this.#values.push(by.outside(plan, context, this.#take()));
    }
  }

  #stage(plan: Node<"stage">, part: Part<C, V>): void {
    const by = this.#by;
    const value = this.#take();
    if (part.step === 3) {
      this.#values.push(by.substreamsEnd?.(plan, part.context, value) ?? value);
      return;
    }
    const behind = by.stage(plan, part.context, value);
    if (by.substreamsEnd && "substream" in plan.stage) {
      this.#parts.push(part);
      this.#enter(plan.stage.substream, part.context, behind);
    } else this.#values.push(behind);
  }

  #graft(plan: Node<"graft">, part: Part<C, V>): void {
    if (part.step === 2) {
      this.#parts.push(part);
      this.#enter(plan.graft, part.context, this.#by.behind(this.#values.at(-1) as V));
      return;
    }
    const graft = this.#take();
    this.#values.push(this.#by.graft(plan, this.#take(), graft));
  }

  #fanOut(plan: Node<"fanOut">, part: Part<C, V>): void {
    const by = this.#by;
    if (part.step === 2) {
      const inlets = by.fork(plan, part.context, this.#values.at(-1) as V);
      this.#parts.push(part);
      this.#enterAll(plan.branches, part.context, (index) => inlets[index] as V);
      return;
    }
    const branches = this.#takeAll(plan.branches.length);
    this.#values.push(by.join(plan, part.context, this.#take(), branches));
  }
}

/** Reads `plan`, whose open inlet, if it has one, is `inlet`. */
export const read = <C, V>(plan: Blueprint, context: C, inlet: V, by: Reading<C, V>): V =>
  new Reader(by).read(plan, context, inlet);
