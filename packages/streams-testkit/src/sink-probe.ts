import { Sink } from "@millrace/streams";
import {
  DONE,
  type EndOfTerminal,
  NO_MORE_ELEMENTS,
  type Pull,
  type Pulled,
  type Run,
  WAIT,
} from "@millrace/streams/stage";
import { bounded, ExpectationError, same, show, WITHIN_MS } from "./expectation.js";
import { settle } from "./settle.js";

/** A test's control of the end of a stream: nothing is asked for unless a method here asks. */
export interface SinkProbe<A> {
  /** Asks once, without waiting for the answer. */
  request(): void;
  /** The next element; asks when none is at hand. */
  next(withinMs?: number): Promise<A>;
  /** What is left of the chunk at hand, else the next chunk. */
  nextChunk(withinMs?: number): Promise<readonly A[]>;
  /** Every element until the stream completes. */
  rest(withinMs?: number): Promise<A[]>;
  /** Fails unless these elements come next, in this order. */
  expectNext(...elements: readonly A[]): Promise<void>;
  /** Fails unless the stream completes next. */
  expectComplete(withinMs?: number): Promise<void>;
  /** The error with which the stream fails next. */
  expectError(withinMs?: number): Promise<unknown>;
  /** Asks, and fails when an element or the end comes within some turns of the event loop. */
  expectNothing(turns?: number): Promise<void>;
  /** Cancels the stream; without a cause it is no failure. */
  cancel(cause?: unknown): void;
  /** Elements received so far. */
  readonly received: readonly A[];
  readonly state: "open" | "completed" | "failed" | "cancelled";
}

type End = { readonly state: "completed" | "cancelled" } | { readonly state: "failed"; readonly error: unknown };

class Probe<A> implements SinkProbe<A> {
  readonly #upstream: Pull<A>;
  readonly #endRun: EndOfTerminal;
  readonly received: A[] = [];
  #held: A[] = [];
  #end: End | undefined;
  #started = false;
  #waits = false;
  #demand = false;
  #listeners: (() => void)[] = [];

  constructor(upstream: Pull<A>, run: Run) {
    this.#upstream = upstream;
    this.#endRun = run.terminal(() => {
      this.#started = true;
      this.#pull();
    });
  }

  get state(): "open" | "completed" | "failed" | "cancelled" {
    return this.#end?.state ?? "open";
  }

  request(): void {
    this.#demand = true;
    this.#pull();
  }

  #pull(): void {
    if (!this.#demand || !this.#started || this.#waits || this.#end) return;
    let pulled: Pulled<A>;
    try {
      pulled = this.#upstream.pull(this.#onWake);
    } catch (error) {
      this.#finish({ state: "failed", error });
      return;
    }
    if (pulled === WAIT) {
      this.#waits = true;
      return;
    }
    this.#demand = false;
    if (pulled === DONE) {
      this.#finish({ state: "completed" });
      return;
    }
    for (const element of pulled) {
      this.#held.push(element);
      this.received.push(element);
    }
    this.#notify();
  }

  readonly #onWake = (): void => {
    this.#waits = false;
    this.#pull();
  };

  #finish(end: End): void {
    if (this.#end) return;
    this.#end = end;
    this.#endRun(end.state === "failed" ? end : undefined);
    this.#notify();
  }

  #notify(): void {
    for (const listener of this.#listeners.splice(0)) listener();
  }

  /** Waits until an element is at hand (true) or the stream has ended (false). */
  async #arrival(awaited: string, withinMs: number): Promise<boolean> {
    while (this.#held.length === 0 && !this.#end) {
      const notified = new Promise<void>((resolve) => this.#listeners.push(resolve));
      this.request();
      await bounded(notified, awaited, withinMs);
    }
    return this.#held.length > 0;
  }

  #refuseEnd(awaited: string): never {
    const end = this.#end;
    if (end?.state === "failed") {
      throw new ExpectationError(`expected ${awaited}, but the stream failed with ${show(end.error)}`, {
        cause: end.error,
      });
    }
    throw new ExpectationError(`expected ${awaited}, but the stream was ${this.state}`);
  }

  async next(withinMs = WITHIN_MS): Promise<A> {
    if (!(await this.#arrival("an element", withinMs))) this.#refuseEnd("an element");
    return this.#held.shift() as A;
  }

  async nextChunk(withinMs = WITHIN_MS): Promise<readonly A[]> {
    if (!(await this.#arrival("a chunk", withinMs))) this.#refuseEnd("a chunk");
    return this.#held.splice(0);
  }

  async rest(withinMs = WITHIN_MS): Promise<A[]> {
    const elements: A[] = [];
    while (await this.#arrival("an element or completion", withinMs)) elements.push(...this.#held.splice(0));
    if (this.state !== "completed") this.#refuseEnd("completion");
    return elements;
  }

  async expectNext(...elements: readonly A[]): Promise<void> {
    for (const [index, expected] of elements.entries()) {
      const awaited = `element ${show(expected)} (number ${index + 1} of ${elements.length})`;
      if (!(await this.#arrival(awaited, WITHIN_MS))) this.#refuseEnd(awaited);
      const element = this.#held.shift();
      if (!same(element, expected)) throw new ExpectationError(`expected ${awaited}, but got ${show(element)}`);
    }
  }

  async expectComplete(withinMs = WITHIN_MS): Promise<void> {
    await this.#expectEnd("completed", "completion", withinMs);
  }

  async expectError(withinMs = WITHIN_MS): Promise<unknown> {
    const end = await this.#expectEnd("failed", "a failure", withinMs);
    return end.state === "failed" ? end.error : undefined;
  }

  async #expectEnd(state: End["state"], awaited: string, withinMs: number): Promise<End> {
    if (await this.#arrival(awaited, withinMs)) {
      throw new ExpectationError(`expected ${awaited}, but got the elements ${show(this.#held)}`);
    }
    const end = this.#end;
    if (end?.state !== state) this.#refuseEnd(awaited);
    return end;
  }

  async expectNothing(turns = 4): Promise<void> {
    if (this.#held.length === 0 && !this.#end) this.request();
    await settle(turns);
    if (this.#held.length > 0) {
      throw new ExpectationError(`expected nothing, but got the elements ${show(this.#held)}`);
    }
    if (this.#end) this.#refuseEnd("nothing");
  }

  cancel(cause: unknown = NO_MORE_ELEMENTS): void {
    if (this.#end) return;
    this.#held = [];
    try {
      this.#upstream.cancel(cause);
    } finally {
      this.#finish({ state: "cancelled" });
    }
  }
}

/** A sink that asks only when its probe does; it materialises the probe. */
export const sinkProbe = <A>(): Sink<A, SinkProbe<A>> =>
  Sink.fromStage<A, SinkProbe<A>>({
    name: "sinkProbe",
    create: (upstream, run) => new Probe(upstream, run),
  });
