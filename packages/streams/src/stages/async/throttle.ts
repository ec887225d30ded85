import { AsyncPull } from "../../engine/async-pull.js";
import type { Cancellable } from "../../engine/clock.js";
import type { Pull } from "../../model/pull.js";
import type { Run } from "../../engine/run.js";
import type { Stage } from "../../model/stage.js";
import { StreamError } from "../../errors.js";

export interface ThrottleOptions {
  /** Elements per `perMs`. */
  readonly elements: number;
  readonly perMs: number;
  /** Elements that may pass at once after a pause; default: what the rate gives in 100 ms, 1 to `elements`. */
  readonly maximumBurst?: number;
  /** `shaping` waits (default); `enforcing` fails with `RATE_EXCEEDED`. */
  readonly mode?: "shaping" | "enforcing";
}

/** A burst of what comes in this time is enough for a high rate, since timers are that much more exact. */
const BURST_MS = 100;

const defaultBurst = ({ elements, perMs }: ThrottleOptions): number =>
  Math.max(1, Math.floor(elements * Math.min(1, BURST_MS / perMs)));

/** Parts of a token that make up for rounding: they are only compared with, so they do not add up. */
const ROUNDING = 1e-6;

/**
 * A token bucket: starts full, refilled continuously. It is kept as the time at which it will be full again, to which
 * every element adds its share: no count of tokens to round at every look.
 */
class Throttle<A> extends AsyncPull<A, A> {
  readonly #run: Run;
  readonly #options: ThrottleOptions;
  readonly #capacity: number;
  readonly #msPerElement: number;
  #fullAt: number;
  #timer: Cancellable | undefined;

  constructor(upstream: Pull<A>, run: Run, options: ThrottleOptions) {
    super(upstream, run);
    this.#run = run;
    this.#options = options;
    this.#capacity = options.maximumBurst ?? defaultBurst(options);
    this.#msPerElement = options.perMs / options.elements;
    this.#fullAt = run.clock.now();
  }

  protected advance(): void {
    if (this.#timer) return;
    if (this.input.left === 0 && !this.takeInput()) return;
    const now = this.#run.clock.now();
    const missing = Math.max(0, this.#fullAt - now) / this.#msPerElement;
    const tokens = Math.floor(this.#capacity - missing + ROUNDING);
    const passing = Math.min(tokens, this.input.left);
    for (let index = 0; index < passing; index++) this.ready.push(this.input.next());
    this.#fullAt = Math.max(this.#fullAt, now) + passing * this.#msPerElement;
    if (this.input.left === 0) return;
    if (this.#options.mode === "enforcing") this.#refuse();
    else if (passing === 0) this.#waitForToken(now);
  }

  #waitForToken(now: number): void {
    const delayMs = this.#fullAt - (this.#capacity - 1) * this.#msPerElement - now;
    this.#timer = this.#run.clock.schedule(delayMs, () => {
      this.#timer = undefined;
      this.poke();
    });
  }

  #refuse(): void {
    const { elements, perMs } = this.#options;
    this.fail(new StreamError("RATE_EXCEEDED", `throttle: more than ${elements} elements per ${perMs} ms`));
  }

  protected drained(): boolean {
    return this.input.left === 0;
  }

  protected override onClose(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}

export const throttle = <A>(options: ThrottleOptions): Stage<A, A> => ({
  name: "throttle",
  traits: { order: "kept", elements: "kept" },
  create: (upstream, run) => new Throttle(upstream, run, options),
});
