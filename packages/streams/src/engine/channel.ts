import { soon } from "./host.js";
import { type Chunk, DONE, type Pull, type Pulled, WAIT, type Wake } from "./pull.js";

export interface ChannelListener {
  /** The consumer took everything that was queued. */
  onTaken?(): void;
  onCancel?(cause: unknown): void;
}

/**
 * Hand-over from whoever produces at its own pace to a pulling consumer. It holds what it is given: the producer looks at
 * `size` and keeps its bound. Wakes are delivered in a later microtask, so what is offered in one turn leaves as one
 * chunk, and a producer's stack never runs the consumer's code.
 */
export class Channel<A> implements Pull<A> {
  readonly #listener: ChannelListener;
  #queue: A[] = [];
  #wake: Wake | undefined;
  #wakeScheduled = false;
  #end: { readonly failure?: { readonly error: unknown } } | undefined;
  #cancelled = false;

  constructor(listener: ChannelListener = {}) {
    this.#listener = listener;
  }

  /** Elements offered and not yet taken. */
  get size(): number {
    return this.#queue.length;
  }

  /** Completed, failed or cancelled: offers are ignored. */
  get closed(): boolean {
    return this.#cancelled || this.#end !== undefined;
  }

  offer(element: A): void {
    if (this.closed) return;
    this.#queue.push(element);
    this.#scheduleWake();
  }

  offerChunk(chunk: Chunk<A>): void {
    if (this.closed) return;
    if (this.#queue.length === 0) this.#queue = chunk.slice();
    else for (const element of chunk) this.#queue.push(element);
    if (chunk.length > 0) this.#scheduleWake();
  }

  /** What is queued, for a producer that may change it (a dropping buffer). */
  get queued(): A[] {
    return this.#queue;
  }

  /** The consumer still gets what is queued. */
  complete(): void {
    if (this.closed) return;
    this.#end = {};
    this.#scheduleWake();
  }

  /** The consumer still gets what is queued, then the failure. */
  fail(error: unknown): void {
    if (this.closed) return;
    this.#end = { failure: { error } };
    this.#scheduleWake();
  }

  pull(wake: Wake): Pulled<A> {
    if (this.#queue.length > 0) {
      const chunk = this.#queue;
      this.#queue = [];
      this.#listener.onTaken?.();
      return chunk;
    }
    if (this.#end?.failure) throw this.#end.failure.error;
    if (this.#end || this.#cancelled) return DONE;
    this.#wake = wake;
    return WAIT;
  }

  cancel(cause: unknown): void {
    if (this.#cancelled) return;
    const live = this.#end === undefined;
    this.#cancelled = true;
    this.#queue = [];
    this.#wake = undefined;
    if (live) this.#listener.onCancel?.(cause);
  }

  #scheduleWake(): void {
    if (this.#wake === undefined || this.#wakeScheduled) return;
    this.#wakeScheduled = true;
    soon(() => {
      this.#wakeScheduled = false;
      const wake = this.#wake;
      this.#wake = undefined;
      wake?.();
    });
  }
}
