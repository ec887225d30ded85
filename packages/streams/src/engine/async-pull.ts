import { ChunkSize } from "./chunk-size.js";
import { soon } from "./host.js";
import { type Chunk, DONE, type Pull, type Pulled, WAIT, type Wake } from "../model/pull.js";
import { Input } from "./input.js";
import type { Run } from "./run.js";

/**
 * What every stage that answers later shares: one upstream it pulls at its own pace, results that wait in `ready`, and
 * a downstream that is woken once there is an answer. A subclass implements `advance`.
 */
export abstract class AsyncPull<In, Out> implements Pull<Out> {
  readonly #upstream: Pull<In>;
  readonly #share: Run["share"];
  readonly #size: ChunkSize;
  readonly #onUpstream: Wake = () => {
    this.#upstreamWaits = false;
    this.poke();
  };
  readonly #onSoon = (): void => {
    this.#pokeScheduled = false;
    this.poke();
  };
  #wake: Wake | undefined;
  #upstreamWaits = false;
  #upstreamDone = false;
  #pokeScheduled = false;
  #closed = false;
  #failure: { readonly error: unknown } | undefined;
  #pulledElements = 0;
  protected readonly input: Input<In> = new Input();
  protected ready: Out[] = [];

  constructor(upstream: Pull<In>, run: Run) {
    this.#upstream = upstream;
    this.#share = run.share;
    this.#size = new ChunkSize(run);
  }

  /**
   * Does what can be done now: asks `take` for input, puts results into `ready`. Runs on demand and on every poke, and never
   * again once the stage has failed: what is in `ready` by then leaves, and nothing that comes later (P5).
   */
  protected abstract advance(): void;

  /** Whether nothing will come after `ready`; asked only once upstream is done. */
  protected abstract drained(): boolean;

  /** Whether it holds nothing but what is in `ready`; asked at any time. A stage that does not say may hold anything. */
  protected idle(): boolean {
    return false;
  }

  /** Downstream asks, and nothing is ready: the moment to put into `ready` what is pending, at most `elements` of it. */
  protected emitPending(_elements: number): void {}

  /** Whether `emitPending` would put something into `ready`. */
  protected hasPending(): boolean {
    return false;
  }

  /** Moves results that may leave into `ready`; also the last time, when the stage fails. */
  protected collect(): void {}

  /** Upstream failed, and gives nothing more. A stage that first finishes what it began calls `fail` later. */
  protected upstreamFailed(error: unknown): void {
    this.#fail(error);
  }

  /** Cancelled or failed: undo timers, cancel what else feeds this stage. */
  protected onClose(_cause: unknown): void {}

  /** Downstream has asked and waits. */
  protected get demanded(): boolean {
    return this.#wake !== undefined;
  }

  protected get upstreamDone(): boolean {
    return this.#upstreamDone;
  }

  /** Failed or cancelled: start no more work. */
  protected get stopped(): boolean {
    return this.#closed || this.#failure !== undefined;
  }

  /** The next chunk of upstream, or `undefined` when there is none now; `advance` runs again when there is. */
  protected take(): Chunk<In> | undefined {
    if (this.#upstreamDone || this.#upstreamWaits || this.stopped) return undefined;
    if (this.#share.spent(this.#pulledElements)) {
      this.#pulledElements = 0;
      this.#upstreamWaits = true;
      this.#share.later(this.#onUpstream);
      return undefined;
    }
    let pulled: Pulled<In>;
    try {
      pulled = this.#upstream.pull(this.#onUpstream);
    } catch (error) {
      this.#upstreamDone = true;
      this.upstreamFailed(error);
      return undefined;
    }
    if (pulled === WAIT) {
      this.#upstreamWaits = true;
      return undefined;
    }
    if (pulled === DONE) {
      this.#upstreamDone = true;
      return undefined;
    }
    this.#pulledElements = pulled.length;
    return pulled;
  }

  /** Takes the next chunk as `input`; answers whether there was one. */
  protected takeInput(): boolean {
    const chunk = this.take();
    if (chunk) this.input.begin(chunk);
    return chunk !== undefined;
  }

  /** Fails downstream after what is ready, and cancels upstream. */
  protected fail(error: unknown): void {
    if (this.stopped) return;
    this.#cancelUpstream(error);
    this.#fail(error);
  }

  /** Advances, unless the stage has failed. What `advance` throws is a bug in it, and fails the stage wherever it is met. */
  protected tryAdvance(): void {
    if (this.stopped) return;
    try {
      this.advance();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Advances, and wakes downstream when there is an answer. For wakes, timers and settled promises. */
  protected poke(): void {
    if (this.#closed) return;
    this.tryAdvance();
    if (this.#wake !== undefined && this.#answered()) {
      const wake = this.#wake;
      this.#wake = undefined;
      wake();
    }
  }

  /** Pokes once the current stack is empty, however often it is asked to. */
  protected pokeSoon(): void {
    if (this.#pokeScheduled || this.#closed) return;
    this.#pokeScheduled = true;
    soon(this.#onSoon);
  }

  pull(wake: Wake): Pulled<Out> {
    if (this.#closed) return DONE;
    this.tryAdvance();
    if (this.ready.length > 0) return this.#hand(this.#size.of(this.ready.length));
    if (this.hasPending()) {
      const elements = this.#size.next();
      this.emitPending(elements);
      this.#size.gave(this.ready.length);
      return this.#hand(elements);
    }
    if (this.#failure) throw this.#failure.error;
    if (this.#answered()) return DONE;
    this.#wake = wake;
    return WAIT;
  }

  passed(): Pull<unknown> | undefined {
    if (this.#closed || this.#failure !== undefined || this.ready.length > 0 || this.hasPending()) return undefined;
    return this.idle() ? this.#upstream : undefined;
  }

  /** As much of what is ready as downstream can handle at a time. */
  #hand(elements: number): Out[] {
    const { ready } = this;
    if (elements < ready.length) return ready.splice(0, elements);
    this.ready = [];
    return ready;
  }

  cancel(cause: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#wake = undefined;
    this.#cancelUpstream(cause);
    this.onClose(cause);
  }

  #answered(): boolean {
    if (this.ready.length > 0 || this.hasPending() || this.#failure !== undefined) return true;
    return this.#upstreamDone && this.drained();
  }

  #cancelUpstream(cause: unknown): void {
    if (this.#upstreamDone) return;
    this.#upstreamDone = true;
    this.#upstream.cancel(cause);
  }

  #fail(error: unknown): void {
    this.collect();
    this.#failure = { error };
    this.onClose(error);
    this.pokeSoon();
  }
}
