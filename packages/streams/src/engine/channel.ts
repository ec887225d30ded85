import { ChunkSize } from "./chunk-size.js";
import { soon } from "./host.js";
import { type Chunk, DONE, type Pull, type Pulled, WAIT, type Wake } from "../model/pull.js";
import type { Run } from "./run.js";

export interface ChannelListener {
  /** The consumer took this many queued elements, or will never take them. */
  onTaken?(elements: number): void;
  onCancel?(cause: unknown): void;
}

/**
 * Hand-over from a producer with its own pace to a pulling consumer. It holds what it is given: the producer reads
 * `size` and keeps its bound. Wakes are delivered in a later microtask, so what is offered in one turn leaves together,
 * and a producer's stack never runs the consumer's code.
 */
export class Channel<A> implements Pull<A> {
  readonly #listener: ChannelListener;
  readonly #size: ChunkSize;
  #queue: A[] = [];
  #wake: Wake | undefined;
  #wakeScheduled = false;
  #end: { readonly failure?: { readonly error: unknown } } | undefined;
  #cancelled = false;

  constructor(run: Run, listener: ChannelListener = {}) {
    this.#size = new ChunkSize(run);
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
      const chunk = this.#take();
      this.#listener.onTaken?.(chunk.length);
      return chunk;
    }
    if (this.#end?.failure) throw this.#end.failure.error;
    if (this.#end || this.#cancelled) return DONE;
    this.#wake = wake;
    return WAIT;
  }

  /** As much as the consumer can handle at a time. */
  #take(): A[] {
    const queue = this.#queue;
    const elements = this.#size.of(queue.length);
    if (elements < queue.length) return queue.splice(0, elements);
    this.#queue = [];
    return queue;
  }

  cancel(cause: unknown): void {
    if (this.#cancelled) return;
    const live = this.#end === undefined;
    const dropped = this.#queue.length;
    this.#cancelled = true;
    this.#queue = [];
    this.#wake = undefined;
    if (live) this.#listener.onCancel?.(cause);
    if (dropped > 0) this.#listener.onTaken?.(dropped);
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
