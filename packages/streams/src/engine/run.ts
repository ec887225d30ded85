import type { Attributes } from "../attributes.js";
import { InvariantViolation } from "../errors.js";
import { TimeShare } from "./budget.js";
import { ChunkLimits } from "./chunk-limits.js";
import { type Clock, systemClock } from "./clock.js";
import { oncePerProcess } from "../copies.js";
import { Closing, type Unclosed } from "./closing.js";
import { type Decision, decisionOf } from "./decision.js";
import { type FailurePlace, Failures, type Named } from "./failures.js";
import { soon } from "./host.js";
import type { Pull } from "../model/pull.js";

/** What `run()` accepts. */
export interface RunOptions {
  /** Default: the machine's clock. With another one, and with `wrap`, the run takes the same steps on any machine. */
  readonly clock?: Clock;
  /** Attributes of the whole graph. */
  readonly attributes?: Attributes;
  /** Puts something around every outlet, for tests and tracing. */
  readonly wrap?: <A>(outlet: Pull<A>, stage: string) => Pull<A>;
  /**
   * Why the graph is to run although a check refuses it; the reason is logged with what the check found. It overrides the
   * check only, no error at run time.
   */
  readonly unsafe?: string;
}

export type Finaliser = () => void | Promise<void>;

/** Called once by a terminal that has ended and has cancelled what it leaves early; with what it failed with, if it did. */
export type EndOfTerminal = (failure?: { readonly error: unknown }) => void;

interface Signal {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const signal = (): Signal => {
  let resolve!: () => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<void>((...settlers) => {
    [resolve, reject] = settlers;
  });
  return { promise, resolve, reject };
};

interface RunState {
  readonly options: RunOptions;
  readonly starts: (() => void)[];
  readonly finalisers: Finaliser[];
  readonly drained: Signal;
  readonly finished: Signal;
  readonly failures: Failures;
  readonly share: TimeShare;
  readonly chunkLimits: ChunkLimits;
  readonly closing: Closing;
  /** Of terminals that have not ended: leaves upstream, and ends with the error. */
  readonly cuts: Set<(error: unknown) => void>;
  terminals: number;
  started: boolean;
  /** Nothing is asked of it at present. */
  resting: boolean;
  failed: boolean;
  ended: boolean;
}

const live = oncePerProcess("runs", () => new Set<object>());

/**
 * How many materialisations of this process have not ended yet, finalisers included. One that is iterated counts while it
 * is asked for something, has something to close, or has a side branch at work.
 */
export const liveRuns = (): number => live.size;

const recount = (state: RunState): void => {
  const idle = state.terminals < 2 && state.finalisers.length === 0 && !state.closing.busy;
  if (state.resting && idle) live.delete(state);
  else live.add(state);
};

/**
 * One materialisation: its clock, attributes and end. A run ends when its last terminal (a sink or an iterator) has
 * ended and what stages left early is closed; then its finalisers run once, in reverse order of registration, each awaited.
 */
export class Run {
  readonly #state: RunState;
  readonly attributes: Attributes;
  /** The stage that sees it. */
  readonly #stage: string;

  private constructor(state: RunState, attributes: Attributes, stage = "") {
    this.#state = state;
    this.attributes = attributes;
    this.#stage = stage;
  }

  static create(options: RunOptions = {}): Run {
    const state: RunState = {
      options,
      starts: [],
      finalisers: [],
      drained: signal(),
      finished: signal(),
      failures: new Failures(() => state.terminals === 0),
      share: new TimeShare(options.wrap !== undefined || (options.clock ?? systemClock) !== systemClock),
      chunkLimits: new ChunkLimits(),
      closing: new Closing(() => {
        if (!state.ended) recount(state);
      }),
      cuts: new Set(),
      terminals: 0,
      started: false,
      resting: false,
      failed: false,
      ended: false,
    };
    // A caller that does not ask learns of a failure by the terminal's own promise.
    state.drained.promise.catch(() => undefined);
    live.add(state);
    return new Run(state, options.attributes ?? {});
  }

  /** The same run seen by stages below a `withAttributes`. */
  with(attributes: Attributes): Run {
    return new Run(this.#state, { ...this.attributes, ...attributes }, this.#stage);
  }

  /** The same run seen by a stage of that name. */
  at(stage: string): Run {
    return new Run(this.#state, this.attributes, stage);
  }

  get options(): RunOptions {
    return this.#state.options;
  }

  get clock(): Clock {
    return this.#state.options.clock ?? systemClock;
  }

  /**
   * Resolves once every terminal has ended, those of side branches included, and before the finalisers; rejects as soon as
   * one fails, with its failure.
   */
  get drained(): Promise<void> {
    return this.#state.drained.promise;
  }

  /** Settles, without a value, once the run has ended and every finaliser has run. */
  get finished(): Promise<void> {
    return this.#state.finished.promise;
  }

  /**
   * What a stage that adheres to supervision does about an error of user code that was called with `element`, or with one
   * that has `claim`. Never throws.
   */
  decide(error: unknown, element?: unknown, claim?: Named): Decision {
    const { name, supervision } = this.attributes;
    const decision = !supervision || error instanceof InvariantViolation ? { error } : decisionOf(supervision, error);
    if (typeof decision === "object") {
      const stage = name === undefined ? this.#stage : `${name} (${this.#stage})`;
      this.#state.failures.thrown(decision.error, { stage, element, claim });
    }
    return decision;
  }

  /** Where `error` was thrown, if it was by a function of the user. */
  placeOf(error: unknown): FailurePlace | undefined {
    return this.#state.failures.placeOf(error);
  }

  /**
   * A promise that a stage materialises, as it is to be handed out: looking at it counts as hearing of the failure that
   * rejects it. A sink's promise is watched as it is.
   */
  watched<A>(promise: Promise<A>): Promise<A> {
    return this.#state.failures.watch(promise, false);
  }

  /** The promise of a sink: a failure that rejects it becomes an unhandled rejection if it was not heard of. */
  answering<A>(promise: Promise<A>): Promise<A> {
    return this.#state.failures.watch(promise, true);
  }

  /** `error` is known by other means than a promise of this run, or was caused on purpose. */
  heard(error: unknown): void {
    this.#state.failures.hear(error);
  }

  /** Its share of the event loop's time: a loop asks it whether to go on, and puts off what is left. */
  get share(): TimeShare {
    return this.#state.share;
  }

  /** The most elements that any stage wants to be handed at a time. */
  get chunkLimit(): number {
    return this.#state.chunkLimits.least;
  }

  /**
   * For a stage whose elements may be large: by the answered function it sets how many it wants at a time, from the
   * next chunk on that is cut anywhere in the run. It may set this repeatedly.
   */
  limitChunks(): (elements: number) => void {
    return this.#state.chunkLimits.add();
  }

  wrap<A>(outlet: Pull<A>, stage: string): Pull<A> {
    return this.#state.options.wrap?.(outlet, stage) ?? outlet;
  }

  /** Registers work to undo or close when the run ends. */
  onEnd(finaliser: Finaliser): void {
    this.#state.finalisers.push(finaliser);
  }

  /**
   * Calls `close` for a stage that is left early, such as the `return` of an iterator. The promises of sinks wait for what
   * it answers; what it throws, or rejects with, fails a stream that nothing else has failed.
   */
  close(close: () => unknown): void {
    this.#state.closing.begin(close);
  }

  /** Calls `then` once nothing is being closed: at once, if nothing is; with the first failure of what was closed. */
  whenClosed(then: (unclosed: Unclosed | undefined) => void): void {
    this.#state.closing.whenIdle(then);
  }

  /** Nothing is asked of it until `resume`. Answers whether it can be garbage-collected, as it has nothing to close. */
  rest(): boolean {
    const state = this.#state;
    state.resting = true;
    if (!state.ended) recount(state);
    return !live.has(state);
  }

  /** It is asked for something again. */
  resume(): void {
    this.#state.resting = false;
    if (!this.#state.ended) live.add(this.#state);
  }

  /**
   * Fails every terminal that has not ended, for instance when its time is over: each cancels its upstream, so that
   * nothing of the run holds the process. `error` counts as heard of.
   */
  cut(error: unknown): void {
    this.heard(error);
    for (const cut of [...this.#state.cuts]) cut(error);
  }

  /**
   * Announces a terminal; it starts once the whole graph stands, and calls the returned function when it has ended. `cut`
   * has it cancel its upstream and end with an error.
   */
  terminal(start: () => void, cut?: (error: unknown) => void): EndOfTerminal {
    const state = this.#state;
    state.terminals += 1;
    if (cut) state.cuts.add(cut);
    if (state.started) soon(start);
    else state.starts.push(start);
    let open = true;
    return (failure) => {
      if (!open) return;
      open = false;
      if (cut) state.cuts.delete(cut);
      if (failure) this.#fail(failure.error);
      state.closing.whenIdle((unclosed) => {
        state.terminals -= 1;
        if (unclosed && !state.failed) {
          state.failures.owe(unclosed.error);
          this.#fail(unclosed.error);
        }
        if (state.terminals === 0) this.#end();
        else recount(state);
      });
    };
  }

  /** The graph stands: terminals begin, in a later microtask, so that `run()` returns before any element flows. */
  start(): void {
    const state = this.#state;
    soon(() => {
      state.started = true;
      for (const start of state.starts.splice(0)) start();
    });
  }

  /** Materialising failed half-way: all that registered itself is closed. */
  abandon(error: unknown): void {
    this.#state.drained.reject(error);
    this.#end();
  }

  #fail(error: unknown): void {
    this.#state.failed = true;
    this.#state.failures.fail(error);
    this.#state.drained.reject(error);
  }

  #end(): void {
    const state = this.#state;
    if (state.ended) return;
    state.ended = true;
    live.add(state);
    state.drained.resolve();
    void this.#finalise();
    state.failures.raise();
  }

  async #finalise(): Promise<void> {
    const state = this.#state;
    for (let finaliser = state.finalisers.pop(); finaliser; finaliser = state.finalisers.pop()) {
      try {
        await finaliser();
      } catch {
        // A finaliser's owner reports its failure through the owner's materialised value; the others must still run.
      }
    }
    live.delete(state);
    state.finished.resolve();
  }
}
