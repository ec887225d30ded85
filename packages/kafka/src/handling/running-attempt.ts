import { knownOrigin } from "../dead-letters/written-headers.js";
import type { Headers, TopicPartitionOffset } from "../client/port.js";

/** What a handler is given beside its record. */
export interface HandlerAttempt {
  /**
   * Aborted when the attempt has taken `timeoutMs`, and when the stream has ended: hand it to what you call, as
   * `fetch(url, { signal })`.
   */
  readonly signal: AbortSignal;
  /** Counted from 1. */
  readonly number: number;
  /**
   * `group/topic/partition/offset`, the same at each attempt, when the record is read again, and when it was written back;
   * that of the original where it is a dead letter.
   */
  readonly idempotencyKey: string;
}

/** A record that can be handled. */
export interface Handled extends TopicPartitionOffset {
  readonly key?: unknown;
  readonly headers?: Headers;
}

/** An attempt under way. Most handlers look at nothing of it, so all is made when it is asked for. */
export class RunningAttempt implements HandlerAttempt {
  readonly #record: Handled;
  readonly #groupOf: () => string;
  readonly number: number;
  #controller: AbortController | undefined;
  #reason: unknown;

  constructor(record: Handled, number: number, groupOf: () => string) {
    this.#record = record;
    this.number = number;
    this.#groupOf = groupOf;
  }

  get signal(): AbortSignal {
    this.#controller ??= this.#newController();
    return this.#controller.signal;
  }

  get idempotencyKey(): string {
    const { topic: from, headers = [] } = this.#record;
    const original = headers.length > 0 ? knownOrigin({ topic: from, headers }) : undefined;
    const { topic, partition, offset } = original ?? this.#record;
    // One that was written back is read by other groups too, each of which knew it by its own name.
    const group = original && original.topic !== from ? original.group : undefined;
    return `${group ?? this.#groupOf()}/${topic}/${partition}/${offset}`;
  }

  get isAborted(): boolean {
    return this.#reason !== undefined;
  }

  abort(reason: unknown): void {
    this.#reason ??= reason;
    this.#controller?.abort(this.#reason);
  }

  #newController(): AbortController {
    const controller = new AbortController();
    if (this.#reason !== undefined) controller.abort(this.#reason);
    return controller;
  }
}
