import { AsyncPull } from "../../engine/async-pull.js";
import type { Cancellable } from "../../engine/clock.js";
import type { Pull } from "../../model/pull.js";
import type { Run } from "../../engine/run.js";
import type { Stage } from "../../model/stage.js";
import { requireArgument } from "../../errors.js";

/** When else `aggregateWithBoundary` emits what it keeps. */
export interface BoundaryOptions<in S, in A> {
  /** The element begins the next aggregate, and what is kept is emitted before it. Asked while something is kept. */
  readonly startsNew?: (aggregate: S, element: A) => boolean;
  /** Asked every `intervalMs` since the first element of the aggregate: whether to emit it as it is; default: yes. */
  readonly emitOnTimer?: { readonly intervalMs: number; readonly when?: (aggregate: S) => boolean };
}

export interface BoundaryLogic<in A, in out S, out B> extends BoundaryOptions<S, A> {
  /** Of the first element: the aggregate, and whether it is complete. */
  readonly begin: (element: A) => readonly [aggregate: S, complete: boolean];
  readonly aggregate: (aggregate: S, element: A) => readonly [next: S, complete: boolean];
  readonly harvest: (aggregate: S) => B;
}

/** There is at most one aggregate; it is made by its first element. */
class AggregateWithBoundary<A, S, B> extends AsyncPull<A, B> {
  readonly #run: Run;
  readonly #logic: BoundaryLogic<A, S, B>;
  #kept: { state: S } | undefined;
  #timer: Cancellable | undefined;

  constructor(upstream: Pull<A>, run: Run, logic: BoundaryLogic<A, S, B>) {
    super(upstream, run);
    this.#run = run;
    this.#logic = logic;
  }

  protected advance(): void {
    while (this.ready.length === 0) {
      const chunk = this.take();
      if (!chunk) break;
      for (const element of chunk) {
        if (this.stopped) return;
        this.#add(element);
      }
    }
    if (this.upstreamDone && !this.stopped) this.#emit();
  }

  #add(element: A): void {
    try {
      if (this.#kept && this.#logic.startsNew?.(this.#kept.state, element)) this.#emit();
      if (this.stopped) return;
      const kept = this.#kept;
      const [state, complete] = kept ? this.#logic.aggregate(kept.state, element) : this.#logic.begin(element);
      if (kept) kept.state = state;
      else this.#kept = { state };
      if (complete) this.#emit();
      else this.#startTimer();
    } catch (error) {
      this.#supervise(error, element);
    }
  }

  #emit(): void {
    const kept = this.#kept;
    this.#drop();
    if (!kept) return;
    try {
      this.ready.push(this.#logic.harvest(kept.state));
    } catch (error) {
      this.#supervise(error);
    }
  }

  #startTimer(): void {
    const { emitOnTimer } = this.#logic;
    if (emitOnTimer) this.#timer ??= this.#run.clock.schedule(emitOnTimer.intervalMs, () => this.#onTimer());
  }

  #onTimer(): void {
    this.#timer = undefined;
    const kept = this.#kept;
    if (!kept) return;
    try {
      if (this.#logic.emitOnTimer?.when?.(kept.state) ?? true) this.#emit();
      else this.#startTimer();
    } catch (error) {
      this.#drop();
      this.#supervise(error);
    }
    this.poke();
  }

  #supervise(error: unknown, element?: A): void {
    const decision = this.#run.decide(error, element);
    if (typeof decision === "object") this.fail(decision.error);
    else if (decision === "restart") this.#drop();
  }

  #drop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#kept = undefined;
  }

  protected drained(): boolean {
    return true;
  }

  protected override onClose(): void {
    this.#drop();
  }
}

export const aggregateWithBoundary = <A, S, B>(logic: BoundaryLogic<A, S, B>): Stage<A, B> => {
  const { intervalMs = 1 } = logic.emitOnTimer ?? {};
  requireArgument(
    intervalMs > 0,
    "aggregateWithBoundary",
    `emitOnTimer.intervalMs must be > 0, got ${intervalMs}; leave emitOnTimer out to emit at boundaries only`,
  );
  return {
    name: "aggregateWithBoundary",
    traits: { order: "kept", elements: "gathered" },
    create: (upstream, run) => new AggregateWithBoundary(upstream, run, logic),
  };
};
