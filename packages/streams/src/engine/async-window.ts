import { AsyncPull } from "./async-pull.js";
import type { Chunk, Pull } from "./pull.js";
import type { Run } from "./run.js";

/** Results gathered before the window stops starting new work; bounds what a slow downstream leaves waiting. */
const READY_ELEMENTS = 256;

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";

/**
 * At most `parallelism` calls of a user function in flight; results leave as chunks of whatever is ready. Owns supervision
 * of asynchronous user functions. A settling promise only stores its result; one shared microtask per round then collects,
 * starts new calls and wakes downstream, so that an element costs no allocation beyond the user's own promise.
 */
abstract class AsyncWindow<In, Out> extends AsyncPull<In, Out> {
  readonly #run: Run;
  readonly #parallelism: number;
  readonly #f: (element: In) => Out | PromiseLike<Out>;
  #input: Chunk<In> = [];
  #next = 0;

  constructor(upstream: Pull<In>, run: Run, parallelism: number, f: (element: In) => Out | PromiseLike<Out>) {
    super(upstream);
    this.#run = run;
    this.#parallelism = parallelism;
    this.#f = f;
  }

  /** Calls started whose results have not been collected. */
  protected abstract inFlight(): number;
  protected abstract addPromise(promise: PromiseLike<Out>): void;
  /** A result that came without a promise. */
  protected abstract addValue(value: Out): void;

  /** Tells whether to go on without the failed element; otherwise the stage has failed, now or before. */
  protected supervise(error: unknown): boolean {
    if (this.stopped) return false;
    if (this.#run.decide(error) !== "stop") return true;
    this.fail(error);
    return false;
  }

  protected advance(): void {
    this.collect();
    while (!this.stopped && this.inFlight() < this.#parallelism && this.ready.length < READY_ELEMENTS) {
      if (this.#next === this.#input.length) {
        const chunk = this.take();
        if (!chunk) return;
        this.#input = chunk;
        this.#next = 0;
      }
      this.#call(this.#input[this.#next++] as In);
    }
  }

  protected drained(): boolean {
    return this.inFlight() === 0 && this.#next === this.#input.length;
  }

  protected override idle(): boolean {
    return this.drained();
  }

  #call(element: In): void {
    let result: Out | PromiseLike<Out>;
    try {
      result = this.#f(element);
    } catch (error) {
      this.supervise(error);
      return;
    }
    if (isThenable(result)) this.addPromise(result);
    else this.addValue(result);
  }
}

const PENDING: unique symbol = Symbol("PENDING");
const DROPPED: unique symbol = Symbol("DROPPED");

/** Results leave in input order: a ring of slots, each with callbacks made once. */
export class OrderedWindow<In, Out> extends AsyncWindow<In, Out> {
  readonly #mask: number;
  readonly #slots: (Out | typeof PENDING | typeof DROPPED)[] = [];
  readonly #onResolved: ((value: Out) => void)[] = [];
  readonly #onRejected: ((error: unknown) => void)[] = [];
  #head = 0;
  #tail = 0;

  constructor(upstream: Pull<In>, run: Run, parallelism: number, f: (element: In) => Out | PromiseLike<Out>) {
    super(upstream, run, parallelism, f);
    let slots = 1;
    while (slots < parallelism) slots <<= 1;
    this.#mask = slots - 1;
    for (let slot = 0; slot < slots; slot++) this.#addSlot(slot);
  }

  #addSlot(slot: number): void {
    this.#slots.push(PENDING);
    this.#onResolved.push((value) => this.#settle(slot, value));
    this.#onRejected.push((error) => {
      if (this.supervise(error)) this.#settle(slot, DROPPED);
    });
  }

  #settle(slot: number, result: Out | typeof DROPPED): void {
    this.#slots[slot] = result;
    if (slot === (this.#head & this.#mask)) this.pokeSoon();
  }

  protected inFlight(): number {
    return this.#tail - this.#head;
  }

  protected addPromise(promise: PromiseLike<Out>): void {
    const slot = this.#tail++ & this.#mask;
    promise.then(this.#onResolved[slot], this.#onRejected[slot]);
  }

  protected addValue(value: Out): void {
    if (this.#tail === this.#head) this.ready.push(value);
    else this.#slots[this.#tail++ & this.#mask] = value;
  }

  /** Frees the slots it collects from: a free slot is `PENDING` already when it is taken. */
  protected override collect(): void {
    for (; this.#head < this.#tail; this.#head++) {
      const slot = this.#head & this.#mask;
      const result = this.#slots[slot] as Out | typeof PENDING | typeof DROPPED;
      if (result === PENDING) return;
      if (result !== DROPPED) this.ready.push(result);
      this.#slots[slot] = PENDING;
    }
  }
}

/** Results leave as they come. */
export class UnorderedWindow<In, Out> extends AsyncWindow<In, Out> {
  #open = 0;
  readonly #onResolved = (value: Out): void => {
    this.#open -= 1;
    if (this.stopped) return;
    this.ready.push(value);
    this.pokeSoon();
  };
  readonly #onRejected = (error: unknown): void => {
    this.#open -= 1;
    if (this.supervise(error)) this.pokeSoon();
  };

  protected inFlight(): number {
    return this.#open;
  }

  protected addPromise(promise: PromiseLike<Out>): void {
    this.#open += 1;
    promise.then(this.#onResolved, this.#onRejected);
  }

  protected addValue(value: Out): void {
    this.ready.push(value);
  }
}
