import { AsyncPull } from "../../engine/async-pull.js";
import type { Pull, Pulled, Wake } from "../../model/pull.js";
import type { Run } from "../../engine/run.js";
import type { Stage } from "../../model/stage.js";
import { StreamError } from "../../errors.js";

/** What a full buffer does with the next element. */
export type OverflowStrategy = "backpressure" | "dropHead" | "dropTail" | "dropNew" | "dropBuffer" | "fail";

/** Reads ahead of downstream, up to its bound. */
class Buffer<A> extends AsyncPull<A, A> {
  readonly #bound: number;
  readonly #strategy: OverflowStrategy;
  readonly #onDrop: (element: A) => void;
  #queue: A[] = [];
  #asked = false;

  constructor(upstream: Pull<A>, run: Run, bound: number, strategy: OverflowStrategy, onDrop: (element: A) => void) {
    super(upstream, run);
    this.#bound = bound;
    this.#strategy = strategy;
    this.#onDrop = onDrop;
  }

  override pull(wake: Wake): Pulled<A> {
    this.#asked = true;
    try {
      return super.pull(wake);
    } finally {
      this.#asked = false;
    }
  }

  protected advance(): void {
    while (!this.stopped) {
      if (this.#asked && (this.ready.length > 0 || this.#queue.length > 0)) return;
      if (this.input.left === 0) {
        if (this.#strategy === "backpressure" && this.#queue.length + this.ready.length >= this.#bound) return;
        if (!this.takeInput()) return;
      }
      // Downstream has what is passed on before anything more is read, for which there might be no room.
      if (this.#downstreamIdle) return this.#passOn();
      if (!this.#fill()) return;
    }
  }

  /** Downstream waits for elements: none has to wait for it, so the bound does not count. */
  get #downstreamIdle(): boolean {
    return (this.#asked || this.demanded) && this.ready.length === 0 && this.#queue.length === 0;
  }

  #passOn(): void {
    while (this.input.left > 0) this.ready.push(this.input.next());
    this.pokeSoon();
  }

  /** Whether the whole input was dealt with. */
  #fill(): boolean {
    while (this.input.left > 0) {
      if (this.#queue.length === this.#bound && !this.#makeRoom()) return false;
      if (this.stopped) return false;
      const element = this.input.next();
      if (this.#queue.length < this.#bound) this.#queue.push(element);
      else this.#onDrop(element);
    }
    return true;
  }

  /** Whether the next element may be looked at; `dropNew` leaves the buffer full, so it is then passed over. */
  #makeRoom(): boolean {
    switch (this.#strategy) {
      case "backpressure":
        return false;
      case "dropHead":
        this.#onDrop(this.#queue.shift() as A);
        return true;
      case "dropTail":
        this.#onDrop(this.#queue.pop() as A);
        return true;
      case "dropBuffer":
        for (const element of this.#queue) this.#onDrop(element);
        this.#queue = [];
        return true;
      case "dropNew":
        return true;
      case "fail":
        this.fail(
          new StreamError(
            "BUFFER_OVERFLOW",
            `buffer: more than ${this.#bound} elements waited for downstream; raise the bound or choose another strategy`,
          ),
        );
        return true;
    }
  }

  protected override emitPending(elements: number): void {
    if (elements < this.#queue.length) this.ready = this.#queue.splice(0, elements);
    else {
      this.ready = this.#queue;
      this.#queue = [];
    }
    this.pokeSoon();
  }

  protected override hasPending(): boolean {
    return this.#queue.length > 0;
  }

  protected drained(): boolean {
    return this.#queue.length === 0 && this.input.left === 0;
  }

  protected override fail(error: unknown): void {
    this.#queue = [];
    super.fail(error);
  }
}

/** `onDrop` hears of every element that the strategy drops; those lost by a failure are not among them. */
export const buffer = <A>(
  bound: number,
  strategy: OverflowStrategy,
  onDrop: (element: A) => void = () => undefined,
): Stage<A, A> => ({
  name: "buffer",
  traits: { order: "kept", elements: strategy === "backpressure" || strategy === "fail" ? "kept" : "lossy" },
  create: (upstream, run) => new Buffer(upstream, run, bound, strategy, onDrop),
});
