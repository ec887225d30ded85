import { promiseOf } from "./answer.js";
import { CallWindow } from "./call-window.js";
import type { Pull } from "../model/pull.js";
import { ReorderRing } from "./reorder-ring.js";
import type { Run } from "./run.js";

/**
 * Calls of a user function: those in flight and the results that wait are at most `parallelism` together; results leave
 * as chunks of what is ready. A settling promise only stores its result; one shared microtask per round then collects,
 * starts new calls and wakes downstream, so that an element costs no allocation beyond the user's own promise.
 */
abstract class AsyncWindow<In, Out> extends CallWindow<In, Out> {
  readonly #parallelism: number;
  readonly #f: (element: In) => Out | PromiseLike<Out>;

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
    const { input } = this;
    this.collect();
    let room = this.#room();
    // Looked at again once it is used up: an element that was dropped has left its room.
    while (!this.stopped && (room > 0 || (room = this.#room()) > 0)) {
      if (input.left === 0 && !this.takeInput()) return;
      room -= 1;
      this.#call(input.next());
    }
  }

  #room(): number {
    return this.#parallelism - this.inFlight() - this.waitingResults;
  }

  protected drained(): boolean {
    return this.inFlight() === 0 && this.input.left === 0;
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

/** Results leave in input order: a ring of slots, each with callbacks made once. */
export class OrderedWindow<In, Out> extends AsyncWindow<In, Out> {
  readonly #ring: ReorderRing<Out>;
  /** What the open calls were made with. */
  readonly #elements: (In | undefined)[] = [];
  readonly #onResolved: ((value: Out) => void)[] = [];
  readonly #onRejected: ((error: unknown) => void)[] = [];

  constructor(upstream: Pull<In>, run: Run, parallelism: number, f: (element: In) => Out | PromiseLike<Out>) {
    super(upstream, run, parallelism, f);
    this.#ring = new ReorderRing(parallelism);
    for (let slot = 0; slot <= this.#ring.mask; slot++) this.#addSlot(slot);
  }

  #addSlot(slot: number): void {
    this.#elements.push(undefined);
    this.#onResolved.push((value) => {
      this.#ring.put(slot, value);
      this.#settled(slot);
    });
    this.#onRejected.push((error) => {
      if (!this.supervise(error, this.#elements[slot])) return;
      this.#ring.drop(slot);
      this.#settled(slot);
    });
  }

  #settled(slot: number): void {
    this.#elements[slot] = undefined;
    if (this.#ring.isFirst(slot)) this.pokeSoon();
  }

  protected inFlight(): number {
    return this.#ring.size;
  }

  protected addPromise(promise: Promise<Out>, element: In): void {
    const slot = this.#ring.reserve() & this.#ring.mask;
    this.#elements[slot] = element;
    void promise.then(this.#onResolved[slot], this.#onRejected[slot]);
  }

  protected addValue(value: Out): void {
    if (this.#ring.size === 0) this.ready.push(value);
    else this.#ring.put(this.#ring.reserve(), value);
  }

  protected override collect(): void {
    this.#ring.collect(this.ready);
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
