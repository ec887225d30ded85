import type { Cancellable } from "../../engine/clock.js";
import { soon } from "../../engine/host.js";
import { DONE, type Pull, type Wake, WAIT } from "../../model/pull.js";
import type { Run } from "../../engine/run.js";
import type { SourceStage } from "../../model/stage.js";

export interface TickOptions {
  readonly initialDelayMs: number;
  readonly intervalMs: number;
}

/** A tick that finds no demand is dropped. */
class Tick<A> implements Pull<A> {
  readonly #run: Run;
  readonly #intervalMs: number;
  readonly #element: A;
  #timer: Cancellable;
  #wake: Wake | undefined;
  #due = false;
  #ended = false;

  constructor(run: Run, options: TickOptions, element: A) {
    this.#run = run;
    this.#intervalMs = options.intervalMs;
    this.#element = element;
    this.#timer = run.clock.schedule(options.initialDelayMs, this.#onTime);
  }

  readonly #onTime = (): void => {
    this.#timer = this.#run.clock.schedule(this.#intervalMs, this.#onTime);
    if (!this.#wake) return;
    this.#due = true;
    this.#notify();
  };

  readonly #notify = (): void => {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  };

  pull(wake: Wake): ReturnType<Pull<A>["pull"]> {
    if (this.#ended) return DONE;
    if (this.#due) {
      this.#due = false;
      return [this.#element];
    }
    this.#wake = wake;
    return WAIT;
  }

  cancel(): void {
    this.#wake = undefined;
    this.#end();
  }

  /** By the materialised handle: downstream completes. Later, because a user function of this very stream may call it. */
  complete(): void {
    this.#end();
    soon(this.#notify);
  }

  #end(): void {
    this.#ended = true;
    this.#timer.cancel();
  }
}

export const tick = <A>(options: TickOptions, element: A): SourceStage<A, Cancellable> => ({
  name: "tick",
  create(run) {
    const outlet = new Tick(run, options, element);
    run.onEnd(() => outlet.cancel());
    return { outlet, mat: { cancel: () => outlet.complete() } };
  },
});
