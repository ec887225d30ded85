import { consoleLogger, type Logger } from "@millrace/streams";
import { harmless } from "@millrace/streams/stage";
import { silentLogger } from "./silent-logger.js";

const LEVELS = ["debug", "info", "warn", "error"] as const;

type Level = (typeof LEVELS)[number];

const nothing = (): void => undefined;

const consoleFrom = (least: Level): Logger => {
  const from = (name: Level): Logger[Level] =>
    LEVELS.indexOf(name) < LEVELS.indexOf(least) ? nothing : (message, fields) => consoleLogger[name](message, fields);
  return { debug: from("debug"), info: from("info"), warn: from("warn"), error: from("error") };
};

/** Logs from `least` up to the console, or from the level that `MILLRACE_LOG` names, or nothing where that is `silent`. */
const defaultLogger = (least: Level): Logger => {
  const named = process.env["MILLRACE_LOG"];
  if (named === "silent") return silentLogger;
  return harmless(consoleFrom(LEVELS.find((level) => level === named) ?? least));
};

/** The user's logger, which may do anything, made so that nothing it does harms who logs; without one the console. */
export const loggerOf = (given: Logger | undefined, least: Level = "warn"): Logger =>
  given ? harmless(given) : defaultLogger(least);
