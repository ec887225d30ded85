import type { Cancellable, Clock } from "@millrace/streams";
import { messageOf, promiseOf } from "@millrace/streams/stage";
import { KafkaConnectorError } from "../errors/errors.js";
import { LimitedLog } from "../logging/limited-log.js";
import { type ParsedPolicy, pausesOf } from "../settings/handle-settings.js";
import { Brake } from "./brake.js";
import type { Carrying, Waiting } from "./carrying.js";
import { Deadlines, type Timed } from "./deadlines.js";
import { orderKeyOf } from "./order-key.js";
import { Outcomes } from "./outcomes.js";
import { type Handled, type HandlerAttempt, RunningAttempt } from "./running-attempt.js";

/** How long a function may go on when its signal has been aborted, before it counts as failed. */
const GRACE_MS = 5000;

const keyOf = orderKeyOf("key");

export interface HandlerOptions<C, R extends Handled, B, Out> {
  readonly name: string;
  readonly f: (record: R, attempt: HandlerAttempt) => B | PromiseLike<B>;
  readonly policy: ParsedPolicy;
  readonly carrying: Carrying<C, R, B, Out>;
  readonly clock: Clock;
  readonly groupOf: () => string;
}

const waitingOf = <C, R, Out>(call: Call<C, R, Out>, number: number): Waiting<C, R, Out> => {
  const { carrier, record, resolve, reject, backoff } = call;
  return { carrier, record, number, resolve, reject, backoff };
};

/** An attempt whose function has not answered, and where the outcome of its record goes. */
interface Call<C, R, Out> extends Timed, Omit<Waiting<C, R, Out>, "number"> {
  readonly attempt: RunningAttempt;
  /** It is tried alone, while everything else waits. */
  readonly isProbe: boolean;
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
  readonly #outcomes: Outcomes<C, R, B, Out>;
  readonly #running: Deadlines<Call<C, R, Out>>;
  /** Those whose time is over. */
  readonly #late: Deadlines<Call<C, R, Out>>;
  readonly #waits = new Set<Cancellable>();
  readonly #brake: Brake<Waiting<C, R, Out>>;
  #lastError: unknown;
  #closed = false;

  constructor(options: HandlerOptions<C, R, B, Out>) {
    const { clock, policy } = options;
    this.#options = options;
    this.#log = new LimitedLog(policy.logger, () => clock.now());
    this.#outcomes = new Outcomes(options);
    this.#brake = new Brake(policy.brake ? policy.brake.failuresInARow : undefined, clock, {
      mayTry: (waiting) => !this.#outcomes.endIfGone(waiting),
      probe: (waiting) => this.#try(waiting, true),
      release: (waiting) => {
        if (!this.#outcomes.endIfGone(waiting)) this.#try(waiting, false);
      },
      onChange: (on) => this.#onBrake(on),
    });
    this.#running = new Deadlines(clock, policy.timeoutMs, (call) => this.#onTimeout(call));
    this.#late = new Deadlines(clock, policy.timeoutMs + GRACE_MS, (call) => this.#onIgnored(call));
  }

  /** The first attempt. */
  handle(carrier: C): Out | Promise<Out> {
    const { carrying, groupOf, f } = this.#options;
    const record = carrying.recordOf(carrier);
    if (this.#brake.isOn) {
      return new Promise((resolve, reject) => {
        this.#waitInLine({ carrier, record, number: 1, resolve, reject, backoff: undefined }, false);
      });
    }
    const attempt = new RunningAttempt(record, 1, groupOf);
    let promise: Promise<B> | undefined;
    try {
      const answer = f(record, attempt);
      promise = promiseOf(answer);
      if (!promise) {
        this.#brake.succeeded();
        return carrying.done(carrier, answer as B);
      }
    } catch (error) {
      promise = Promise.reject(error);
    }
    const answered = promise;
    return new Promise<Out>((resolve, reject) => {
      this.#follow(answered, this.#call(attempt, { carrier, record, resolve, reject, backoff: undefined }, false));
    });
  }

  /** What keeps records from being handled. */
  get trouble(): string | undefined {
    if (!this.#brake.isOn) return undefined;
    return `${this.#brake.failures} attempts in a row have failed, so something that they need is down: ${messageOf(this.#lastError)}. One record at a time is tried until one succeeds`;
  }

  /** Nothing is handled any more. */
  close(reason: unknown): void {
    this.#closed = true;
    for (const wait of this.#waits) wait.cancel();
    this.#waits.clear();
    this.#brake.close();
    this.#outcomes.close();
    for (const deadlines of [this.#running, this.#late]) {
      deadlines.close();
      for (const { attempt } of deadlines.all()) attempt.abort(reason);
    }
  }

  #call(
    attempt: RunningAttempt,
    { carrier, record, resolve, reject, backoff }: Omit<Waiting<C, R, Out>, "number">,
    isProbe: boolean,
  ): Call<C, R, Out> {
    const startedAt = this.#options.clock.now();
    return {
      carrier,
      record,
      attempt,
      resolve,
      reject,
      backoff,
      isProbe,
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
        if (!this.#over(call)) return;
        this.#brake.succeeded();
        call.resolve(this.#options.carrying.done(call.carrier, value));
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
    if (this.#outcomes.endIfGone(call)) {
      if (call.isProbe) this.#brake.probed();
      return;
    }
    try {
      const mayHelp = this.#outcomes.mayHelp(error);
      if (this.#isBraked(call, error, mayHelp)) return;
      if (attempt.number >= policy.attempts || !mayHelp) return this.#outcomes.settle(call, error, attempt.number);
      call.backoff ??= pausesOf(policy);
      const delayMs = call.backoff.next();
      const place = `${name}, attempt ${attempt.number} of ${policy.attempts} failed (${messageOf(error)}), the next in ${Math.round(delayMs)} ms`;
      carrying.at(carrier, place);
      const next = waitingOf(call, attempt.number + 1);
      this.#wait(clock, delayMs, () => this.#again(next));
    } catch (mistake) {
      call.reject(carrying.failed(carrier, mistake));
    }
  }

  #again(next: Waiting<C, R, Out>): void {
    if (this.#outcomes.endIfGone(next)) return;
    if (this.#brake.isOn) this.#waitInLine(next, false);
    else this.#try(next, false);
  }

  #try(next: Waiting<C, R, Out>, isProbe: boolean): void {
    const { carrying, groupOf, f, name } = this.#options;
    const { carrier, record, number } = next;
    carrying.at(carrier, name);
    const attempt = new RunningAttempt(record, number, groupOf);
    // What the function throws at once rejects.
    const answer = new Promise<B>((resolve) => resolve(f(record, attempt)));
    this.#follow(answer, this.#call(attempt, next, isProbe));
  }

  /** While something is down an attempt is not counted, and no record has failed for good. */
  #isBraked(call: Call<C, R, Out>, error: unknown, mayHelp: boolean): boolean {
    if (!mayHelp) {
      this.#brake.succeeded();
      return false;
    }
    this.#lastError = error;
    this.#brake.failed(keyOf(call.record));
    if (!this.#brake.isOn) return false;
    this.#waitInLine(waitingOf(call, call.attempt.number), call.isProbe);
    return true;
  }

  #waitInLine(waiting: Waiting<C, R, Out>, wasProbe: boolean): void {
    const { carrying, name } = this.#options;
    carrying.at(waiting.carrier, `${name}, waits: ${this.#brake.failures} attempts in a row have failed`);
    this.#brake.wait(waiting, wasProbe);
  }

  #onBrake(on: boolean): void {
    const { name, policy } = this.#options;
    if (on) policy.logger.error(`kafka: ${name}: ${this.trouble}`, { error: this.#lastError });
    else policy.logger.warn(`kafka: ${name}: an attempt has succeeded, so records are handled as before`, {});
  }

  #wait(clock: Clock, ms: number, then: () => void): void {
    const wait = clock.schedule(ms, () => {
      this.#waits.delete(wait);
      then();
    });
    this.#waits.add(wait);
  }
}
