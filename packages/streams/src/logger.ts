import { promiseOf } from "./engine/answer.js";
import { host } from "./engine/host.js";
import { messageOf } from "./engine/text-of.js";

/** What Millrace logs to; winston and console loggers fit as they are. What it throws harms nothing, and is dropped. */
export interface Logger {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

const line = (message: string, fields: Readonly<Record<string, unknown>> = {}): unknown[] =>
  Object.keys(fields).length > 0 ? [message, fields] : [message];

const guarded = new WeakMap<Logger, Logger>();

/**
 * Who is to log must not fail by it: what `logger` throws or rejects with is dropped, and the first of it printed to the
 * console.
 */
export const harmless = (logger: Logger): Logger => {
  const known = guarded.get(logger);
  if (known) return known;
  let told = false;
  const failed = (error: unknown): void => {
    if (!told)
      host.console.error(
        `millrace: the logger has failed, and what it fails with next is not told: ${messageOf(error)}`,
      );
    told = true;
  };
  const level =
    (name: keyof Logger): Logger[keyof Logger] =>
    (message, fields) => {
      try {
        const answer: unknown = fields === undefined ? logger[name](message) : logger[name](message, fields);
        promiseOf(answer)?.catch(failed);
      } catch (error) {
        failed(error);
      }
    };
  const safe: Logger = { debug: level("debug"), info: level("info"), warn: level("warn"), error: level("error") };
  guarded.set(logger, safe);
  guarded.set(safe, safe);
  return safe;
};

/** Prints to the host's console: warnings and errors to standard error. */
export const consoleLogger: Logger = {
  debug: (message, fields) => host.console.log(...line(message, fields)),
  info: (message, fields) => host.console.log(...line(message, fields)),
  warn: (message, fields) => host.console.error(...line(message, fields)),
  error: (message, fields) => host.console.error(...line(message, fields)),
};
