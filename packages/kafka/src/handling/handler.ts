import { type Cancellable, type Clock, InvariantViolation } from "@millrace/streams";
import { messageOf, promiseOf } from "@millrace/streams/stage";
import { recordName } from "../client/partition-key.js";
import { RepeatedErrors } from "../client/repeated-errors.js";
import { isHopeless } from "../dead-letters/dead-letter-writer.js";
import { KafkaConnectorError } from "../errors/errors.js";
import { LimitedLog } from "../logging/limited-log.js";
import { Backoff } from "../settings/backoff.js";
import type { DeadLetterOptions, DeadLetters } from "../settings/dead-letter-settings.js";
import { isResolution, type ParsedPolicy, RESOLUTIONS, type Resolution } from "../settings/handle-settings.js";
import { Deadlines } from "./deadlines.js";
import { isRetriable } from "./is-retriable.js";
import { type Handled, type HandlerAttempt, RunningAttempt } from "./running-attempt.js";

/** How long a function may go on when its signal has been aborted, before it counts as failed. */
const GRACE_MS = 5000;

const GIVEN_UP = "its partition was given up";

/** An element of the stream with a record in it, and what becomes of the two. */
export interface Carrying<C, R extends Handled, B, Out> {
  recordOf(carrier: C): R;
  /** The record was handled. */
  done(carrier: C, value: B): Out;
  /** It is left out on purpose, or is stored in a dead-letter topic. */
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

export interface HandlerOptions<C, R extends Handled, B, Out> {
  readonly name: string;
  readonly f: (record: R, attempt: HandlerAttempt) => B | PromiseLike<B>;
  readonly policy: ParsedPolicy;
  readonly carrying: Carrying<C, R, B, Out>;
  readonly clock: Clock;
  readonly groupOf: () => string;
}

/** A record between two attempts. */
interface Trying<C, R, Out> {
  readonly carrier: C;
  readonly record: R;
  readonly backoff: Backoff;
  readonly resolve: (out: Out | PromiseLike<Out>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Calls the user's function for a record until it succeeds, or has failed for good:
 *
 *     attempt ──► done
 *        ▲  └──► failed ──► may another help? ── no, or it was the last ──► otherwise
 *        └─── waits ◄───────────── yes
 *
 * Once the stream has ended nothing is an attempt or an outcome any more: the record stays unfinished.
 */
export class Handler<C, R extends Handled, B, Out> {
  readonly #options: HandlerOptions<C, R, B, Out>;
  readonly #log: LimitedLog;
  readonly #unwritten: RepeatedErrors;
  readonly #running: Deadlines;
  /** Those whose time is over. */
  readonly #late: Deadlines;
  readonly #waits = new Set<Cancellable>();
  #closed = false;

  constructor(options: HandlerOptions<C, R, B, Out>) {
    const { clock, policy } = options;
    this.#options = options;
    this.#log = new LimitedLog(policy.logger, () => clock.now());
    const unwritten = `kafka: dead letters of ${options.name} cannot be written, so their records wait`;
    this.#unwritten = new RepeatedErrors(policy.logger, unwritten, () => clock.now());
    this.#running = new Deadlines(clock, policy.timeoutMs, (attempt) => this.#onTimeout(attempt));
    this.#late = new Deadlines(clock, policy.timeoutMs + GRACE_MS, (attempt) => attempt.giveUp?.());
  }

  /** The first attempt. */
  handle(carrier: C): Out | Promise<Out> {
    const { carrying, clock, groupOf, f } = this.#options;
    const record = carrying.recordOf(carrier);
    const attempt = new RunningAttempt(record, 1, clock.now(), groupOf);
    let promise: Promise<B> | undefined;
    try {
      const answer = f(record, attempt);
      promise = promiseOf(answer);
      if (!promise) return carrying.done(carrier, answer as B);
    } catch (error) {
      return this.#trying(carrier, record, (trying) => this.#failed(trying, attempt, error));
    }
    const answered = promise;
    return new Promise<Out>((resolve, reject) => {
      this.#follow(answered, attempt, {
        done: (value) => resolve(carrying.done(carrier, value)),
        failed: (error) => this.#failed(this.#newTrying(carrier, record, resolve, reject), attempt, error),
      });
    });
  }

  /** Nothing is handled any more. */
  close(reason: unknown): void {
    this.#closed = true;
    for (const wait of this.#waits) wait.cancel();
    this.#waits.clear();
    for (const deadlines of [this.#running, this.#late]) {
      deadlines.close();
      for (const attempt of deadlines.attempts()) attempt.abort(reason);
    }
  }

  #trying(carrier: C, record: R, begin: (trying: Trying<C, R, Out>) => void): Promise<Out> {
    return new Promise((resolve, reject) => begin(this.#newTrying(carrier, record, resolve, reject)));
  }

  #newTrying(
    carrier: C,
    record: R,
    resolve: Trying<C, R, Out>["resolve"],
    reject: Trying<C, R, Out>["reject"],
  ): Trying<C, R, Out> {
    const { backoff, random } = this.#options.policy;
    const { jitter, ...times } = backoff;
    return { carrier, record, resolve, reject, backoff: new Backoff({ ...times, randomFactor: jitter, random }) };
  }

  /** Waits for the answer of an attempt, or until its time is over and it does not end. */
  #follow(
    answer: Promise<B>,
    attempt: RunningAttempt,
    then: { readonly done: (value: B) => void; readonly failed: (error: unknown) => void },
  ): void {
    let isOver = false;
    const over = (): boolean => {
      if (isOver) return true;
      isOver = true;
      attempt.within?.remove(attempt);
      return this.#closed;
    };
    attempt.giveUp = () => {
      if (over()) return;
      this.#log.warn(
        `kafka: a handler goes on though its signal was aborted ${GRACE_MS} ms ago; its record is tried again beside it. Hand the signal to what it calls`,
        {},
      );
      then.failed(undefined);
    };
    answer.then(
      (value) => {
        if (!over()) then.done(value);
      },
      (error: unknown) => {
        if (!over()) then.failed(error);
      },
    );
    this.#running.add(attempt);
  }

  #onTimeout(attempt: RunningAttempt): void {
    attempt.abort(this.#timeoutError());
    this.#late.add(attempt);
  }

  #timeoutError(cause?: unknown): KafkaConnectorError {
    const { name, policy } = this.#options;
    return new KafkaConnectorError(
      "HANDLER_TIMEOUT",
      `${name}: an attempt took longer than ${policy.timeoutMs} ms. Raise timeoutMs, or find out what it waits for.`,
      { cause, retriable: true },
    );
  }

  #failed(trying: Trying<C, R, Out>, attempt: RunningAttempt, thrown: unknown): void {
    const { carrying, policy, clock, name } = this.#options;
    const error = attempt.isAborted ? this.#timeoutError(thrown) : thrown;
    const { carrier } = trying;
    if (carrying.isGone(carrier)) return trying.resolve(carrying.ended(carrier, "discarded", GIVEN_UP));
    try {
      if (attempt.number >= policy.attempts || !this.#mayHelp(error))
        return this.#resolve(trying, attempt.number, error);
      const delayMs = trying.backoff.next();
      const place = `${name}, attempt ${attempt.number} of ${policy.attempts} failed (${messageOf(error)}), the next in ${Math.round(delayMs)} ms`;
      carrying.at(carrier, place);
      this.#wait(clock, delayMs, () => this.#again(trying, attempt.number + 1));
    } catch (mistake) {
      trying.reject(carrying.failed(carrier, mistake));
    }
  }

  #again(trying: Trying<C, R, Out>, number: number): void {
    const { carrying, clock, groupOf, f, name } = this.#options;
    const { carrier, record } = trying;
    if (carrying.isGone(carrier)) return trying.resolve(carrying.ended(carrier, "discarded", GIVEN_UP));
    carrying.at(carrier, name);
    const attempt = new RunningAttempt(record, number, clock.now(), groupOf);
    // The function may throw at once; that is no failure of ours.
    const answer = new Promise<B>((resolve) => resolve(f(record, attempt)));
    this.#follow(answer, attempt, {
      done: (value) => trying.resolve(carrying.done(carrier, value)),
      failed: (error) => this.#failed(trying, attempt, error),
    });
  }

  #mayHelp(error: unknown): boolean {
    if (error instanceof InvariantViolation) return false;
    const answer: unknown = this.#options.policy.retriable(error);
    if (typeof answer === "boolean") return answer;
    if (answer === undefined) return isRetriable(error);
    promiseOf(answer)?.catch(() => undefined);
    throw this.#misused("retriable", "true, false or undefined");
  }

  #resolve(trying: Trying<C, R, Out>, attempts: number, error: unknown): void {
    const { carrying, name } = this.#options;
    const { carrier, record } = trying;
    const resolution = error instanceof InvariantViolation ? "stop" : this.#resolutionOf(error, attempts);
    if (resolution === "stop") return trying.reject(carrying.failed(carrier, error));
    const after = `after ${attempts} ${attempts === 1 ? "attempt" : "attempts"}`;
    if (resolution.kind === "deadLetters") {
      this.#log.warn(`kafka: ${recordName(record)} goes to the dead letters of ${name} ${after}`, { error });
      trying.backoff.reset();
      return void this.#park(trying, resolution, error, attempts);
    }
    this.#log.warn(`kafka: ${recordName(record)} was left out by ${name} ${after}: ${resolution.reason}`, { error });
    trying.resolve(carrying.ended(carrier, "discarded", resolution.reason));
  }

  /** Until it is stored: a record is never left out because its dead letter could not be written. */
  async #park(trying: Trying<C, R, Out>, options: DeadLetters, error: unknown, attempts: number): Promise<void> {
    const { carrying, clock, name } = this.#options;
    const { carrier, backoff } = trying;
    for (let tries = 1; !this.#closed; tries++) {
      if (carrying.isGone(carrier)) return trying.resolve(carrying.ended(carrier, "discarded", GIVEN_UP));
      try {
        await carrying.park(carrier, options, error, attempts);
        if (!this.#closed) trying.resolve(carrying.ended(carrier, "parked", "written to a dead-letter topic"));
        return;
      } catch (failure) {
        if (this.#closed) return;
        if (isHopeless(failure)) return trying.reject(carrying.failed(carrier, failure));
        this.#unwritten.warn(failure);
        const times = tries === 1 ? "once" : `${tries} times`;
        carrying.at(carrier, `${name}, its dead letter could not be written, tried ${times} (${messageOf(failure)})`);
      }
      await new Promise<void>((resolve) => this.#wait(clock, backoff.next(), resolve));
    }
  }

  #wait(clock: Clock, ms: number, then: () => void): void {
    const wait = clock.schedule(ms, () => {
      this.#waits.delete(wait);
      then();
    });
    this.#waits.add(wait);
  }

  #resolutionOf(error: unknown, attempts: number): Resolution {
    const { otherwise } = this.#options.policy;
    const answer: unknown = typeof otherwise === "function" ? otherwise({ error, attempts }) : otherwise;
    if (isResolution(answer)) return answer;
    promiseOf(answer)?.catch(() => undefined);
    throw this.#misused("otherwise", RESOLUTIONS);
  }

  #misused(what: string, expected: string): KafkaConnectorError {
    return new KafkaConnectorError(
      "INVALID_SETTINGS",
      `${this.#options.name}: ${what} has to answer ${expected}, at once.`,
    );
  }
}
