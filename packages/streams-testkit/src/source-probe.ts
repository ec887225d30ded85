import { Source } from "@millrace/streams";
import { type Chunk, DONE, type Pull, type Pulled, soon, WAIT, type Wake } from "@millrace/streams/stage";
import { bounded, ExpectationError, WITHIN_MS } from "./expectation.js";
import { settle } from "./settle.js";

/** A test's control of the beginning of a stream. */
export interface SourceProbe<in A> {
  /** Sends each element as a chunk of its own; what is not asked for yet waits. */
  send(...elements: readonly A[]): void;
  /** Sends all elements as one chunk. */
  sendChunk(elements: readonly A[]): void;
  /** Completes after what was sent. */
  complete(): void;
  /** Fails after what was sent. */
  fail(error: unknown): void;
  /** Downstream has asked and waits. */
  readonly demand: boolean;
  /** How often downstream has asked. */
  readonly pulls: number;
  /** Empty, or the cause with which downstream cancelled; that it does so once is for `checked` to see. */
  readonly cancellations: readonly unknown[];
  /** Resolves with the cause once downstream cancels. */
  readonly cancelled: Promise<unknown>;
  /** Waits until downstream has asked and waits. */
  expectPull(withinMs?: number): Promise<void>;
  /** Fails when downstream asks within some turns of the event loop. */
  expectNoPull(turns?: number): Promise<void>;
  /** The cause with which downstream cancels. */
  expectCancel(withinMs?: number): Promise<unknown>;
}

class Probe<A> implements Pull<A>, SourceProbe<A> {
  readonly #chunks: Chunk<A>[] = [];
  readonly #causes: unknown[] = [];
  readonly cancelled: Promise<unknown>;
  #onCancel: (cause: unknown) => void = () => undefined;
  #onDemand: (() => void)[] = [];
  #end: { readonly failure?: { readonly error: unknown } } | undefined;
  #wake: Wake | undefined;
  #pulls = 0;
  #endAnswered = false;

  constructor() {
    this.cancelled = new Promise((resolve) => {
      this.#onCancel = resolve;
    });
  }

  get demand(): boolean {
    return this.#wake !== undefined;
  }

  get pulls(): number {
    return this.#pulls;
  }

  get cancellations(): readonly unknown[] {
    return this.#causes;
  }

  send(...elements: readonly A[]): void {
    for (const element of elements) this.#add([element]);
  }

  sendChunk(elements: readonly A[]): void {
    if (elements.length > 0) this.#add(elements.slice());
  }

  #add(chunk: Chunk<A>): void {
    if (this.#end || this.#causes.length > 0) return;
    this.#chunks.push(chunk);
    this.#notify();
  }

  complete(): void {
    this.#close({});
  }

  fail(error: unknown): void {
    this.#close({ failure: { error } });
  }

  #close(end: { readonly failure?: { readonly error: unknown } }): void {
    if (this.#end) return;
    this.#end = end;
    this.#notify();
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    if (!wake) return;
    soon(() => {
      if (this.#causes.length === 0) wake();
    });
  }

  pull(wake: Wake): Pulled<A> {
    this.#pulls += 1;
    const chunk = this.#chunks.shift();
    if (chunk) return chunk;
    if (this.#end) {
      this.#endAnswered = true;
      if (this.#end.failure) throw this.#end.failure.error;
    }
    if (this.#end || this.#causes.length > 0) return DONE;
    this.#wake = wake;
    for (const resolve of this.#onDemand.splice(0)) resolve();
    return WAIT;
  }

  cancel(cause: unknown): void {
    if (this.#endAnswered || this.#causes.length > 0) return;
    this.#causes.push(cause);
    this.#wake = undefined;
    this.#chunks.length = 0;
    this.#onCancel(cause);
  }

  async expectPull(withinMs = WITHIN_MS): Promise<void> {
    if (this.demand) return;
    await bounded(new Promise<void>((resolve) => this.#onDemand.push(resolve)), "downstream to ask", withinMs);
  }

  async expectNoPull(turns = 4): Promise<void> {
    const before = this.#pulls;
    await settle(turns);
    if (this.#pulls > before) {
      throw new ExpectationError(`expected downstream not to ask, but it asked ${this.#pulls - before} times`);
    }
  }

  expectCancel(withinMs = WITHIN_MS): Promise<unknown> {
    return bounded(this.cancelled, "downstream to cancel", withinMs);
  }
}

/** A source driven by hand; it materialises its probe. */
export const sourceProbe = <A>(): Source<A, SourceProbe<A>> =>
  Source.fromStage<A, SourceProbe<A>>({
    name: "sourceProbe",
    create: () => {
      const probe = new Probe<A>();
      return { outlet: probe, mat: probe };
    },
  });
