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
import { Deadlines, type Timed } from "./deadlines.js";
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

export interface HandlerOptions<C, R extends Handled, B, Out> {
  readonly name: string;
  readonly f: (record: R, attempt: HandlerAttempt) => B | PromiseLike<B>;
  readonly policy: ParsedPolicy;
  readonly carrying: Carrying<C, R, B, Out>;
  readonly clock: Clock;
  readonly groupOf: () => string;
}

/** An attempt whose function has not answered, and where the outcome of its record goes. */
interface Call<C, R, Out> extends Timed {
  readonly carrier: C;
  readonly record: R;
  readonly attempt: RunningAttempt;
  readonly resolve: (out: Out | PromiseLike<Out>) => void;
  readonly reject: (error: unknown) => void;
  /** Of the record's pauses; absent before its first failure. */
  backoff: Backoff | undefined;
  isOver: boolean;
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
  readonly #running: Deadlines<Call<C, R, Out>>;
  /** Those whose time is over. */
  readonly #late: Deadlines<Call<C, R, Out>>;
  readonly #waits = new Set<Cancellable>();
  #closed = false;

  constructor(options: HandlerOptions<C, R, B, Out>) {
    const { clock, policy } = options;
    this.#options = options;
    this.#log = new LimitedLog(policy.logger, () => clock.now());
    const unwritten = `kafka: dead letters of ${options.name} cannot be written, so their records wait`;
    this.#unwritten = new RepeatedErrors(policy.logger, unwritten, () => clock.now());
    this.#running = new Deadlines(clock, policy.timeoutMs, (call) => this.#onTimeout(call));
    this.#late = new Deadlines(clock, policy.timeoutMs + GRACE_MS, (call) => this.#onIgnored(call));
  }

  /** The first attempt. */
  handle(carrier: C): Out | Promise<Out> {
    const { carrying, groupOf, f } = this.#options;
    const record = carrying.recordOf(carrier);
    const attempt = new RunningAttempt(record, 1, groupOf);
    let promise: Promise<B> | undefined;
    try {
      const answer = f(record, attempt);
      promise = promiseOf(answer);
      if (!promise) return carrying.done(carrier, answer as B);
    } catch (error) {
      promise = Promise.reject(error);
    }
    const answered = promise;
    return new Promise<Out>((resolve, reject) => {
      this.#follow(answered, this.#call(carrier, record, attempt, { resolve, reject, backoff: undefined }));
    });
  }

  /** Nothing is handled any more. */
  close(reason: unknown): void {
    this.#closed = true;
    for (const wait of this.#waits) wait.cancel();
    this.#waits.clear();
    for (const deadlines of [this.#running, this.#late]) {
      deadlines.close();
      for (const { attempt } of deadlines.all()) attempt.abort(reason);
    }
  }

  #call(
    carrier: C,
    record: R,
    attempt: RunningAttempt,
    { resolve, reject, backoff }: Pick<Call<C, R, Out>, "resolve" | "reject" | "backoff">,
  ): Call<C, R, Out> {
    const startedAt = this.#options.clock.now();
    return {
      carrier,
      record,
      attempt,
      resolve,
      reject,
      backoff,
      startedAt,
      within: undefined,
      before: undefined,
      after: undefined,
      isOver: false,
    };
  }

  #follow(answer: Promise<B>, call: Call<C, R, Out>): void {
    this.#running.add(call);
    answer.then(
      (value) => {
        if (this.#over(call)) call.resolve(this.#options.carrying.done(call.carrier, value));
      },
      (error: unknown) => {
        if (this.#over(call)) this.#failed(call, error);
      },
    );
  }

  /** It ends now. Answers whether that is of interest. */
  #over(call: Call<C, R, Out>): boolean {
    if (call.isOver) return false;
    call.isOver = true;
    call.within?.remove(call);
    return !this.#closed;
  }

  #onTimeout(call: Call<C, R, Out>): void {
    call.attempt.abort(this.#timeoutError());
    this.#late.add(call);
  }

  /** Its function does not end though its time is over. */
  #onIgnored(call: Call<C, R, Out>): void {
    if (!this.#over(call)) return;
    this.#log.warn(
      `kafka: a handler goes on though its signal was aborted ${GRACE_MS} ms ago; its record is tried again beside it. Hand the signal to what it calls`,
      {},
    );
    this.#failed(call, undefined);
  }

  #timeoutError(cause?: unknown): KafkaConnectorError {
    const { name, policy } = this.#options;
    return new KafkaConnectorError(
      "HANDLER_TIMEOUT",
      `${name}: an attempt took longer than ${policy.timeoutMs} ms. Raise timeoutMs, or find out what it waits for.`,
      { cause, retriable: true },
    );
  }

  #failed(call: Call<C, R, Out>, thrown: unknown): void {
    const { carrying, policy, clock, name } = this.#options;
    const { carrier, attempt } = call;
    const error = attempt.isAborted ? this.#timeoutError(thrown) : thrown;
    if (carrying.isGone(carrier)) return this.#end(call, "discarded", GIVEN_UP);
    try {
      if (attempt.number >= policy.attempts || !this.#mayHelp(error)) return this.#resolve(call, error);
      call.backoff ??= this.#newBackoff();
      const delayMs = call.backoff.next();
      const place = `${name}, attempt ${attempt.number} of ${policy.attempts} failed (${messageOf(error)}), the next in ${Math.round(delayMs)} ms`;
      carrying.at(carrier, place);
      this.#wait(clock, delayMs, () => this.#again(call));
    } catch (mistake) {
      call.reject(carrying.failed(carrier, mistake));
    }
  }

  #end(call: Call<C, R, Out>, outcome: "discarded" | "parked", reason: string): void {
    try {
      call.resolve(this.#options.carrying.ended(call.carrier, outcome, reason));
    } catch (dropped) {
      call.reject(dropped);
    }
  }

  #newBackoff(): Backoff {
    const { backoff, random } = this.#options.policy;
    const { jitter, ...times } = backoff;
    return new Backoff({ ...times, randomFactor: jitter, random });
  }

  #again(failed: Call<C, R, Out>): void {
    const { carrying, groupOf, f, name } = this.#options;
    const { carrier, record } = failed;
    if (carrying.isGone(carrier)) return this.#end(failed, "discarded", GIVEN_UP);
    carrying.at(carrier, name);
    const attempt = new RunningAttempt(record, failed.attempt.number + 1, groupOf);
    // What the function throws at once rejects.
    const answer = new Promise<B>((resolve) => resolve(f(record, attempt)));
    this.#follow(answer, this.#call(carrier, record, attempt, failed));
  }

  #mayHelp(error: unknown): boolean {
    if (error instanceof InvariantViolation) return false;
    const answer: unknown = this.#options.policy.retriable(error);
    if (typeof answer === "boolean") return answer;
    if (answer === undefined) return isRetriable(error);
    promiseOf(answer)?.catch(() => undefined);
    throw this.#misused("retriable", "true, false or undefined");
  }

  #resolve(call: Call<C, R, Out>, error: unknown): void {
    const { carrying, name } = this.#options;
    const { carrier, record } = call;
    const attempts = call.attempt.number;
    const resolution = error instanceof InvariantViolation ? "stop" : this.#resolutionOf(error, attempts);
    if (resolution === "stop") return call.reject(carrying.failed(carrier, error));
    const after = `after ${attempts} ${attempts === 1 ? "attempt" : "attempts"}`;
    if (resolution.kind === "deadLetters") {
      this.#log.warn(`kafka: ${recordName(record)} goes to the dead letters of ${name} ${after}`, { error });
      return void this.#park(call, resolution, error);
    }
    this.#log.warn(`kafka: ${recordName(record)} was left out by ${name} ${after}: ${resolution.reason}`, { error });
    this.#end(call, "discarded", resolution.reason);
  }

  /** Until it is stored: a record is never left out because its dead letter could not be written. */
  async #park(call: Call<C, R, Out>, options: DeadLetters, error: unknown): Promise<void> {
    const { carrying, clock, name } = this.#options;
    const { carrier, attempt } = call;
    const backoff = this.#newBackoff();
    for (let tries = 1; !this.#closed; tries++) {
      if (carrying.isGone(carrier)) return this.#end(call, "discarded", GIVEN_UP);
      try {
        await carrying.park(carrier, options, error, attempt.number);
        if (!this.#closed) this.#end(call, "parked", "written to a dead-letter topic");
        return;
      } catch (failure) {
        if (this.#closed) return;
        if (isHopeless(failure)) return call.reject(carrying.failed(carrier, failure));
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
