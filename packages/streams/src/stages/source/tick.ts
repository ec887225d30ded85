import type { Cancellable } from "../../engine/clock.js";
import { DONE, type Pull, type Wake, WAIT } from "../../engine/pull.js";
import type { Run } from "../../engine/run.js";
import type { SourceStage } from "../../engine/stage.js";

export interface TickOptions {
  readonly initialDelayMs: number;
  readonly intervalMs: number;
}

/** A tick that finds no demand is dropped. */
class Tick<A> implements Pull<A>, Cancellable {
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

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  pull(wake: Wake): ReturnType<Pull<A>["pull"]> {
    if (this.#ended) return DONE;
    if (this.#due) {
      this.#due = false;
      return [this.#element];
    }
    this.#wake = wake;
    return WAIT;
  }

  /** From downstream, or by the materialised handle: then downstream completes. */
  cancel(cause?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#timer.cancel();
    if (cause === undefined) this.#notify();
    this.#wake = undefined;
  }
}

export const tick = <A>(options: TickOptions, element: A): SourceStage<A, Cancellable> => ({
  name: "tick",
  create(run) {
    const outlet = new Tick(run, options, element);
    run.onEnd(() => outlet.cancel());
    return { outlet, mat: { cancel: () => outlet.cancel() } };
  },
});
