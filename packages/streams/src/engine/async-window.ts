import { promiseOf } from "./answer.js";
import { CallWindow } from "./call-window.js";
import type { Chunk, Pull } from "../model/pull.js";
import type { Run } from "./run.js";

/**
 * Calls of a user function: those in flight and the results that wait are at most `parallelism` together; results leave as
 * chunks of whatever is ready. A settling promise only stores its result; one shared microtask per round then collects,
 * starts new calls and wakes downstream, so that an element costs no allocation beyond the user's own promise.
 */
abstract class AsyncWindow<In, Out> extends CallWindow<In, Out> {
  readonly #parallelism: number;
  readonly #f: (element: In) => Out | PromiseLike<Out>;
  #input: Chunk<In> = [];
  #next = 0;

  constructor(upstream: Pull<In>, run: Run, parallelism: number, f: (element: In) => Out | PromiseLike<Out>) {
    super(upstream, run);
    this.#parallelism = parallelism;
    this.#f = f;
  }

  /** Calls started whose results have not been collected. */
  protected abstract inFlight(): number;
  protected abstract addPromise(promise: Promise<Out>, element: In): void;
  /** A result that came without a promise. */
  protected abstract addValue(value: Out): void;

  protected advance(): void {
    this.collect();
    let room = this.#room();
    // Looked at again once it is used up: an element that was dropped has left its room.
    while (!this.stopped && (room > 0 || (room = this.#room()) > 0)) {
      if (this.#next === this.#input.length) {
        const chunk = this.take();
        if (!chunk) return;
        this.#input = chunk;
        this.#next = 0;
      }
      room -= 1;
      this.#call(this.#input[this.#next++] as In);
    }
  }

  #room(): number {
    return this.#parallelism - this.inFlight() - this.waitingResults;
  }

  protected drained(): boolean {
    return this.inFlight() === 0 && this.#next === this.#input.length;
  }

  protected override idle(): boolean {
    return this.drained();
  }

  #call(element: In): void {
    try {
      const result = this.#f(element);
      const promise = promiseOf(result);
      if (promise) this.addPromise(promise, element);
      else this.addValue(result as Out);
    } catch (error) {
      this.supervise(error, element);
    }
  }
}

const PENDING: unique symbol = Symbol("PENDING");
const DROPPED: unique symbol = Symbol("DROPPED");

/** Results leave in input order: a ring of slots, each with callbacks made once. */
export class OrderedWindow<In, Out> extends AsyncWindow<In, Out> {
  readonly #mask: number;
  readonly #slots: (Out | typeof PENDING | typeof DROPPED)[] = [];
  /** What the open calls were made with. */
  readonly #elements: (In | undefined)[] = [];
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
    this.#elements.push(undefined);
    this.#onResolved.push((value) => this.#settle(slot, value));
    this.#onRejected.push((error) => {
      if (this.supervise(error, this.#elements[slot])) this.#settle(slot, DROPPED);
    });
  }

  #settle(slot: number, result: Out | typeof DROPPED): void {
    this.#slots[slot] = result;
    this.#elements[slot] = undefined;
    if (slot === (this.#head & this.#mask)) this.pokeSoon();
  }

  protected inFlight(): number {
    return this.#tail - this.#head;
  }

  protected addPromise(promise: Promise<Out>, element: In): void {
    const slot = this.#tail & this.#mask;
    this.#elements[slot] = element;
    void promise.then(this.#onResolved[slot], this.#onRejected[slot]);
    this.#tail += 1;
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

  protected addPromise(promise: Promise<Out>): void {
    promise.then(this.#onResolved, this.#onRejected);
    this.#open += 1;
  }

  protected addValue(value: Out): void {
    this.ready.push(value);
  }
}
