import type { Logger } from "@millrace/streams";
import { oncePerProcess, type Run } from "@millrace/streams/stage";
import type { TopicPartitionOffset } from "../client/port.js";
import { recordName } from "../client/partition-key.js";

type Fields = Readonly<Record<string, unknown>>;

const isRecord = (value: unknown): value is TopicPartitionOffset => {
  const { topic, partition, offset } = Object(value) as Record<string, unknown>;
  return typeof topic === "string" && typeof partition === "number" && typeof offset === "number";
};

/** The record that an element of the user names: itself, what is in it, or the offset that it carries. */
const recordIn = (element: unknown): string | undefined => {
  if (typeof element !== "object" || element === null) return undefined;
  const found = [element, ...(Object.values(element) as unknown[])].find(isRecord);
  return found && recordName(found);
};

/** Logs each failure of a run, and of runs within it, at `error`, once, however many parts report it. */
export class FailureLog {
  readonly #logger: Logger;
  readonly #fields: Fields;
  /** Weak: streams of partitions may fail and be run again for ever. */
  readonly #logged = new WeakSet<object>();

  constructor(logger: Logger, fields: Fields) {
    this.#logger = logger;
    this.#fields = fields;
  }

  tell(message: string, error: unknown, fields: Fields = {}): void {
    if (typeof error === "object" && error !== null) {
      if (this.#logged.has(error)) return;
      this.#logged.add(error);
    }
    this.#logger.error(message, { ...this.#fields, ...fields, error });
  }

  watch(run: Run, fields: Fields = {}): void {
    run.drained.catch((error: unknown) => {
      const place = run.placeOf(error);
      const record = place?.claim?.toString() ?? recordIn(place?.element);
      const where = place ? ` in ${place.stage}` : "";
      const at = record === undefined ? "" : ` at ${record}`;
      this.tell(`kafka: the stream failed${where}${at}`, error, {
        ...fields,
        ...(place && { stage: place.stage }),
        ...(record !== undefined && { record }),
      });
    });
  }
}

const logs = oncePerProcess("kafka.failures", () => new WeakMap<Promise<void>, FailureLog>());

/** The log of a run; its first caller decides the logger. */
export const failureLogOf = (run: Run, logger: Logger, fields: Fields): FailureLog => {
  const known = logs.get(run.finished);
  if (known) return known;
  const log = new FailureLog(logger, fields);
  logs.set(run.finished, log);
  log.watch(run);
  return log;
};
