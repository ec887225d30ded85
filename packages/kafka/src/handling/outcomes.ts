import { type Cancellable, type Clock, InvariantViolation } from "@millrace/streams";
import { messageOf, promiseOf } from "@millrace/streams/stage";
import { recordName } from "../client/partition-key.js";
import { RepeatedErrors } from "../client/repeated-errors.js";
import { isHopeless } from "../dead-letters/dead-letter-writer.js";
import { KafkaConnectorError } from "../errors/errors.js";
import { LimitedLog } from "../logging/limited-log.js";
import type { DeadLetters } from "../settings/dead-letter-settings.js";
import {
  isResolution,
  type ParsedPolicy,
  pausesOf,
  RESOLUTIONS,
  type Resolution,
} from "../settings/handle-settings.js";
import type { Carrying, Waiting } from "./carrying.js";
import { isRetriable } from "./is-retriable.js";
import type { Handled } from "./running-attempt.js";

const GIVEN_UP = "its partition was given up";

/** A record that has failed. */
type Failed<C, R, Out> = Omit<Waiting<C, R, Out>, "number" | "backoff">;

export interface OutcomesOptions<C, R extends Handled, B, Out> {
  readonly name: string;
  readonly policy: ParsedPolicy;
  readonly carrying: Carrying<C, R, B, Out>;
  readonly clock: Clock;
}

/** What becomes of records that have failed for good, and of those whose partition was given up. */
export class Outcomes<C, R extends Handled, B, Out> {
  readonly #options: OutcomesOptions<C, R, B, Out>;
  readonly #log: LimitedLog;
  readonly #unwritten: RepeatedErrors;
  readonly #waits = new Set<Cancellable>();
  #closed = false;

  constructor(options: OutcomesOptions<C, R, B, Out>) {
    const { name, policy, clock } = options;
    this.#options = options;
    this.#log = new LimitedLog(policy.logger, () => clock.now());
    const unwritten = `kafka: dead letters of ${name} cannot be written, so their records wait`;
    this.#unwritten = new RepeatedErrors(policy.logger, unwritten, () => clock.now());
  }

  /** Whether another attempt may help after `error`; throws where the user's function does not say so. */
  mayHelp(error: unknown): boolean {
    if (error instanceof InvariantViolation) return false;
    const answer: unknown = this.#options.policy.retriable(error);
    if (typeof answer === "boolean") return answer;
    if (answer === undefined) return isRetriable(error);
    promiseOf(answer)?.catch(() => undefined);
    throw this.#misused("retriable", "true, false or undefined");
  }

  /** Whether its partition was given up, so that another owner handles it. */
  endIfGone(each: Failed<C, R, Out>): boolean {
    const isGone = this.#options.carrying.isGone(each.carrier);
    if (isGone) this.#end(each, "discarded", GIVEN_UP);
    return isGone;
  }

  /** It has failed for good, after so many attempts. Throws where the user's function does not say what becomes of it. */
  settle(failed: Failed<C, R, Out>, error: unknown, attempts: number): void {
    const { carrying, name } = this.#options;
    const { carrier, record } = failed;
    const resolution = error instanceof InvariantViolation ? "stop" : this.#resolutionOf(error, attempts);
    if (resolution === "stop") return failed.reject(carrying.failed(carrier, error));
    const after = `after ${attempts} ${attempts === 1 ? "attempt" : "attempts"}`;
    if (resolution.kind === "deadLetters") {
      this.#log.warn(`kafka: ${recordName(record)} goes to the dead letters of ${name} ${after}`, { error });
      return void this.#park(failed, resolution, { error, attempts });
    }
    this.#log.warn(`kafka: ${recordName(record)} was left out by ${name} ${after}: ${resolution.reason}`, { error });
    this.#end(failed, "discarded", resolution.reason);
  }

  /** From now on nothing has an outcome. */
  close(): void {
    this.#closed = true;
    for (const wait of this.#waits) wait.cancel();
    this.#waits.clear();
  }

  /** Until it is stored: a record is never left out because its dead letter could not be written. */
  async #park(
    failed: Failed<C, R, Out>,
    options: DeadLetters,
    { error, attempts }: { readonly error: unknown; readonly attempts: number },
  ): Promise<void> {
    const { carrying, policy, name } = this.#options;
    const { carrier } = failed;
    const backoff = pausesOf(policy);
    for (let tries = 1; !this.#closed; tries++) {
      if (this.endIfGone(failed)) return;
      try {
        await carrying.park(carrier, options, error, attempts);
        if (!this.#closed) this.#end(failed, "parked", "written to a dead-letter topic");
        return;
      } catch (failure) {
        if (this.#closed) return;
        if (isHopeless(failure)) return failed.reject(carrying.failed(carrier, failure));
        this.#unwritten.warn(failure);
        const times = tries === 1 ? "once" : `${tries} times`;
        carrying.at(carrier, `${name}, its dead letter could not be written, tried ${times} (${messageOf(failure)})`);
      }
      await this.#elapsed(backoff.next());
    }
  }

  /** Never, once it is closed. */
  #elapsed(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wait = this.#options.clock.schedule(ms, () => {
        this.#waits.delete(wait);
        resolve();
      });
      this.#waits.add(wait);
    });
  }

  #end(failed: Failed<C, R, Out>, outcome: "discarded" | "parked", reason: string): void {
    try {
      failed.resolve(this.#options.carrying.ended(failed.carrier, outcome, reason));
    } catch (dropped) {
      failed.reject(dropped);
    }
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
