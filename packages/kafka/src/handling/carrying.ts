import type { Backoff } from "../settings/backoff.js";
import type { DeadLetterOptions } from "../settings/dead-letter-settings.js";
import type { Handled } from "./running-attempt.js";

/** An element of the stream with a record in it, and what becomes of the two. */
export interface Carrying<C, R extends Handled, B, Out> {
  recordOf(carrier: C): R;
  /** The record was handled. */
  done(carrier: C, value: B): Out;
  /** It is left out on purpose, or is stored in a dead-letter topic. What it throws is passed on. */
  ended(carrier: C, outcome: "discarded" | "parked", reason: string): Out;
  /** Writes it to a dead-letter topic; rejects where it is not stored there. */
  park(carrier: C, options: DeadLetterOptions, error: unknown, attempts: number): Promise<void>;
  /** The stream is to fail, unless its supervision goes on; answers what to throw. */
  failed(carrier: C, error: unknown): unknown;
  /** Where it is now, for explanations. */
  at(carrier: C, place: string): void;
  /** Its partition was given up: another owner handles it. */
  isGone(carrier: C): boolean;
}

/** A record between two attempts, and where its outcome goes. */
export interface Waiting<C, R, Out> {
  readonly carrier: C;
  readonly record: R;
  /** Of the next attempt. */
  readonly number: number;
  readonly resolve: (out: Out | PromiseLike<Out>) => void;
  readonly reject: (error: unknown) => void;
  /** Of the record's pauses; absent before its first failure. */
  backoff: Backoff | undefined;
}
