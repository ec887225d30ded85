import { AsyncPull } from "../../engine/async-pull.js";
import type { Cancellable } from "../../engine/clock.js";
import type { Chunk, Pull } from "../../engine/pull.js";
import type { Run } from "../../engine/run.js";
import type { Stage } from "../../engine/stage.js";
import { StreamError } from "../../errors.js";

export interface ThrottleOptions {
  /** Elements per `perMs`. */
  readonly elements: number;
  readonly perMs: number;
  /** Elements that may pass at once after a pause; default: `elements`. */
  readonly maximumBurst?: number;
  /** `shaping` waits (default); `enforcing` fails with `RATE_EXCEEDED`. */
  readonly mode?: "shaping" | "enforcing";
}

/** A token bucket: starts full, refilled continuously. */
class Throttle<A> extends AsyncPull<A, A> {
  readonly #run: Run;
  readonly #options: ThrottleOptions;
  readonly #capacity: number;
  readonly #msPerElement: number;
  #tokens: number;
  #countedAt: number;
  #timer: Cancellable | undefined;
  #input: Chunk<A> = [];
  #next = 0;

  constructor(upstream: Pull<A>, run: Run, options: ThrottleOptions) {
    super(upstream);
    this.#run = run;
    this.#options = options;
    this.#capacity = options.maximumBurst ?? options.elements;
    this.#msPerElement = options.perMs / options.elements;
    this.#tokens = this.#capacity;
    this.#countedAt = run.clock.now();
  }

  protected advance(): void {
    if (this.#timer) return;
    if (this.#next === this.#input.length) {
      const chunk = this.take();
      if (!chunk) return;
      this.#input = chunk;
      this.#next = 0;
    }
    this.#count();
    const passing = Math.min(Math.floor(this.#tokens), this.#input.length - this.#next);
    for (let index = 0; index < passing; index++) this.ready.push(this.#input[this.#next++] as A);
    this.#tokens -= passing;
    if (this.#next === this.#input.length) return;
    if (this.#options.mode === "enforcing") this.#refuse();
    else if (passing === 0) this.#waitForToken();
  }

  #count(): void {
    const now = this.#run.clock.now();
    // Half a millionth of a token makes up for what division by `msPerElement` rounds away.
    const earned = (now - this.#countedAt) / this.#msPerElement + 5e-7;
    this.#tokens = Math.min(this.#capacity, this.#tokens + earned);
    this.#countedAt = now;
  }

  #waitForToken(): void {
    const delayMs = (1 - this.#tokens) * this.#msPerElement;
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
    return this.#next === this.#input.length;
  }

  protected override onClose(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}

export const throttle = <A>(options: ThrottleOptions): Stage<A, A> => ({
  name: "throttle",
  create: (upstream, run) => new Throttle(upstream, run, options),
});
