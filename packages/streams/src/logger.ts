import { host } from "./engine/host.js";

/** What Millrace logs to; winston and console loggers fit as they are. */
export interface Logger {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

const line = (message: string, fields: Readonly<Record<string, unknown>> = {}): unknown[] =>
  Object.keys(fields).length > 0 ? [message, fields] : [message];

/** Prints to the host's console: warnings and errors to standard error. */
export const consoleLogger: Logger = {
  debug: (message, fields) => host.console.log(...line(message, fields)),
  info: (message, fields) => host.console.log(...line(message, fields)),
  warn: (message, fields) => host.console.error(...line(message, fields)),
  error: (message, fields) => host.console.error(...line(message, fields)),
};
