import { AsyncPull } from "../../engine/async-pull.js";
import type { Pull } from "../../model/pull.js";
import type { Run } from "../../engine/run.js";
import type { Stage } from "../../model/stage.js";

export interface BatchLogic<in A, in out S> {
  readonly max: number;
  readonly seed: (element: A) => S;
  readonly aggregate: (batch: S, element: A) => S;
}

/** Aggregates what has arrived by the time downstream asks, and goes on while downstream is busy, up to `max` elements. */
class Batch<A, S> extends AsyncPull<A, S> {
  readonly #run: Run;
  readonly #logic: BatchLogic<A, S>;
  #batch: { state: S; count: number } | undefined;

  constructor(upstream: Pull<A>, run: Run, logic: BatchLogic<A, S>) {
    super(upstream, run);
    this.#run = run;
    this.#logic = logic;
  }

  protected advance(): void {
    while (!this.stopped && (this.#batch?.count ?? 0) < this.#logic.max) {
      if (this.input.left === 0 && !this.takeInput()) return;
      this.#add(this.input.next());
    }
  }

  /** What downstream gets when it asks; upstream goes on being read while downstream handles it. */
  protected override emitPending(): void {
    const batch = this.#batch;
    if (!batch) return;
    this.#batch = undefined;
    this.ready.push(batch.state);
    this.pokeSoon();
  }

  #add(element: A): void {
    try {
      if (this.#batch) {
        this.#batch.state = this.#logic.aggregate(this.#batch.state, element);
        this.#batch.count += 1;
      } else this.#batch = { state: this.#logic.seed(element), count: 1 };
    } catch (error) {
      const decision = this.#run.decide(error, element);
      if (typeof decision === "object") this.fail(decision.error);
      else if (decision === "restart") this.#batch = undefined;
    }
  }

  protected drained(): boolean {
    return this.#batch === undefined && this.input.left === 0;
  }

  protected override hasPending(): boolean {
    return this.#batch !== undefined;
  }
}

export const batch = <A, S>(logic: BatchLogic<A, S>): Stage<A, S> => ({
  name: "batch",
  traits: { order: "kept", elements: "gathered" },
  create: (upstream, run) => new Batch(upstream, run, logic),
});

/** Upstream is never held back, so that the function has to give up what there is no room for. */
export const conflate = <A>(aggregate: (kept: A, element: A) => A): Stage<A, A> => ({
  ...batch({ max: Number.MAX_SAFE_INTEGER, seed: (element: A) => element, aggregate }),
  name: "conflate",
  traits: { order: "kept", elements: "lossy" },
});
