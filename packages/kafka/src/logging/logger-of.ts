import { consoleLogger, type Logger } from "@millrace/streams";
import { harmless } from "@millrace/streams/stage";
import { silentLogger } from "./silent-logger.js";

const LEVELS = ["debug", "info", "warn", "error"] as const;

type Level = (typeof LEVELS)[number];

/** Where an error was made. What it says stands in the line already. */
const framesOf = (error: unknown): string => {
  const frames = error instanceof Error ? (error.stack ?? "").split("\n").filter((line) => /^ +at /.test(line)) : [];
  return frames.map((frame) => `\n${frame}`).join("");
};

/** One line, and what is in no line: the other fields, and of what is logged at `error` where it comes from. */
const consoleFrom = (least: Level): Logger => {
  const from =
    (name: Level): Logger[Level] =>
    (message, { error, ...fields } = {}) => {
      if (LEVELS.indexOf(name) < LEVELS.indexOf(least)) return;
      const told = Object.entries(fields).filter(([, value]) => value !== undefined);
      const frames = name === "error" ? framesOf(error) : "";
      consoleLogger[name](`${message}${frames}`, told.length > 0 ? Object.fromEntries(told) : undefined);
    };
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
