import type { Clock, Logger } from "@millrace/streams";
import { DeserializationError } from "../../errors/deserialization-error.js";
import { LimitedLog } from "../../logging/limited-log.js";
import type { UndecodableSetting } from "../../settings/undecodable-settings.js";

/** What a source does with records that cannot be decoded, where it does not leave that to supervision. */
export class UndecodableRecords {
  readonly #setting: UndecodableSetting;
  readonly #log: LimitedLog;

  constructor(setting: UndecodableSetting, logger: Logger, clock: Clock) {
    this.#setting = setting;
    this.#log = new LimitedLog(logger, () => clock.now());
  }

  /** Whether the record that failed with `error` is to be left out. */
  discards(error: unknown): boolean {
    if (typeof this.#setting === "string" || !(error instanceof DeserializationError)) return false;
    this.#log.warn(`kafka consumer: a record was left out: ${this.#setting.reason}`, { error });
    return true;
  }
}
