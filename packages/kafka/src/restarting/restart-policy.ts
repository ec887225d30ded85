import { messageOf, promiseOf } from "@millrace/streams/stage";
import type { TopicPartitionOffset } from "../client/port.js";
import { Backoff } from "../settings/backoff.js";
import { KafkaConnectorError } from "../errors/errors.js";
import { recordName } from "../client/partition-key.js";
import { mayMend } from "./mending.js";
import type { ParsedRestarts } from "../settings/restart-settings.js";

/** How a run ended that failed. */
export interface Death {
  readonly failure: unknown;
  readonly livedMs: number;
  /** It committed more than any before it. */
  readonly advanced: boolean;
  /** The oldest unfinished record of each partition. */
  readonly unfinished: readonly TopicPartitionOffset[];
}

/** What the user answers, synchronously: a promise would count as true, whatever its result. */
const mendsFor = (restartOn: (failure: unknown) => boolean, failure: unknown): boolean => {
  const answer: unknown = restartOn(failure);
  if (typeof answer === "boolean") return answer;
  promiseOf(answer)?.catch(() => undefined);
  throw new KafkaConnectorError(
    "INVALID_SETTINGS",
    `restarting: restartOn answered ${typeof answer}; it has to answer true or false, at once. The failure that it was asked about is the cause.`,
    { cause: failure },
  );
};

/** Records that are named; the others in the way are counted. */
const NAMED = 3;

const named = (records: readonly TopicPartitionOffset[]): string => {
  if (records.length === 0) return "";
  const names = records.slice(0, NAMED).map(recordName);
  const more = records.length > NAMED ? ` and ${records.length - NAMED} more` : "";
  return ` In the way stood ${names.join(", ")}${more}.`;
};

/** Whether there is another run, and when. */
export class RestartPolicy {
  readonly #settings: ParsedRestarts;
  readonly #backoff: Backoff;
  #inARow = 0;

  constructor(settings: ParsedRestarts) {
    const { minBackoffMs: minMs, maxBackoffMs: maxMs, randomFactor, random } = settings;
    this.#settings = settings;
    this.#backoff = new Backoff({ minMs, maxMs, randomFactor, random });
  }

  /** How long to wait before the next one, in ms. Throws where there is to be none. */
  delayAfter(death: Death): number {
    const { maxRestarts, healthyMs, restartOn } = this.#settings;
    const { failure, livedMs, advanced, unfinished } = death;
    if (!mayMend(failure) || (restartOn && !mendsFor(restartOn, failure))) throw failure;
    const healthy = livedMs >= healthyMs;
    if (healthy) this.#backoff.reset();
    // One that lives long on a record it never gets past is not healthy.
    if (advanced || (healthy && unfinished.length === 0)) this.#inARow = 0;
    if (this.#inARow >= maxRestarts) throw this.#exhausted(death);
    this.#inARow += 1;
    return this.#backoff.next();
  }

  #exhausted({ failure, unfinished }: Death): KafkaConnectorError {
    const why = messageOf(failure);
    return new KafkaConnectorError(
      "RESTARTS_EXHAUSTED",
      `The graph failed again after ${this.#inARow} restarts without progress: ${why}${/[.!?]$/.test(why) ? "" : "."}${named(unfinished)} ` +
        "Mend the cause, or raise maxRestarts.",
      { cause: failure },
    );
  }
}
