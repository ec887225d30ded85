import { consoleLogger, type Logger } from "@millrace/streams";
import { harmless } from "@millrace/streams/stage";
import { silentLogger } from "./silent-logger.js";

const LEVELS = ["debug", "info", "warn", "error"] as const;

type Level = (typeof LEVELS)[number];

/** Where an error was made. Its message is in the line already. */
const framesOf = (error: unknown): string => {
  const frames = error instanceof Error ? (error.stack ?? "").split("\n").filter((line) => /^ +at /.test(line)) : [];
  return frames.map((frame) => `\n${frame}`).join("");
};

/** One line, then the other fields, and at `error` the stack. */
const consoleFrom = (least: Level): Logger => {
  const from =
    (name: Level): Logger[Level] =>
    (message, { error, ...fields } = {}) => {
      if (LEVELS.indexOf(name) < LEVELS.indexOf(least)) return;
      const shown = Object.entries(fields).filter(([, value]) => value !== undefined);
      const frames = name === "error" ? framesOf(error) : "";
      consoleLogger[name](`${message}${frames}`, shown.length > 0 ? Object.fromEntries(shown) : undefined);
    };
  return { debug: from("debug"), info: from("info"), warn: from("warn"), error: from("error") };
};

/** Logs from `least` up to the console, or from the level that `MILLRACE_LOG` names, or nothing where that is `silent`. */
const defaultLogger = (least: Level): Logger => {
  const named = process.env["MILLRACE_LOG"];
  if (named === "silent") return silentLogger;
  return harmless(consoleFrom(LEVELS.find((level) => level === named) ?? least));
};

/** The user's logger, wrapped so that its failures do not reach the caller; the console by default. */
export const loggerOf = (given: Logger | undefined, least: Level = "warn"): Logger =>
  given ? harmless(given) : defaultLogger(least);
