import { promiseOf } from "./engine/answer.js";
import { host } from "./engine/host.js";
import { messageOf } from "./engine/text-of.js";

/**
 * What Millrace logs to; winston and console loggers fit as they are, pino by `pinoLogger`. What it throws is dropped.
 */
export interface Logger {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

const line = (message: string, fields: Readonly<Record<string, unknown>> = {}): unknown[] =>
  Object.keys(fields).length > 0 ? [message, fields] : [message];

const guarded = new WeakMap<Logger, Logger>();

/** The line alone has to say what happened: many loggers print an error among the fields as nothing, or `{}`. */
const withError = (message: string, fields: Readonly<Record<string, unknown>> | undefined): string =>
  fields && "error" in fields ? `${message}: ${messageOf(fields["error"])}` : message;

/**
 * Logging must not fail the caller: what `logger` throws or rejects with is dropped, the first of it printed to the
 * console. The message of an `error` among the fields is put at the end of the line.
 */
export const harmless = (logger: Logger): Logger => {
  const known = guarded.get(logger);
  if (known) return known;
  let reported = false;
  const failed = (error: unknown): void => {
    if (!reported)
      host.console.error(
        `millrace: the logger has failed, and its next failures are not reported: ${messageOf(error)}`,
      );
    reported = true;
  };
  const level =
    (name: keyof Logger): Logger[keyof Logger] =>
    (message, fields) => {
      try {
        const text = withError(message, fields);
        const answer: unknown = fields === undefined ? logger[name](text) : logger[name](text, fields);
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

/** The methods of a pino logger that are used. */
export interface PinoLike {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/**
 * A pino logger as a `Logger`: pino takes the fields first, and drops them where they come second. An `error` among them
 * becomes pino's `err`, which it prints with its stack.
 *
 * @example
 * const kafka = { brokers: "localhost:9092", groupId: "shipping", logger: pinoLogger(pino()) };
 */
export const pinoLogger = (pino: PinoLike): Logger => {
  const level =
    (name: keyof Logger): Logger[keyof Logger] =>
    (message, { error, ...fields } = {}) =>
      pino[name](error === undefined ? fields : { ...fields, err: error }, message);
  return { debug: level("debug"), info: level("info"), warn: level("warn"), error: level("error") };
};
