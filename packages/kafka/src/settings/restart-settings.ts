import type { Logger } from "@millrace/streams";
import { z } from "zod";
import { KafkaConnectorError } from "../errors/errors.js";
import { loggerOf } from "../logging/logger-of.js";
import { parse } from "./parse.js";

/** A restart that is about to happen. */
export interface Restart {
  /** Counted from 1, since the graph was run. */
  readonly number: number;
  /** What the last run failed with. */
  readonly cause: unknown;
  readonly delayMs: number;
}

/** When a graph that failed is run again. */
export interface RestartSettings {
  /** How long after a failure the next run begins, its client being closed; doubled each time. Default 1000 ms. */
  readonly minBackoffMs?: number;
  /** The longest of these delays; default 30 000 ms. */
  readonly maxBackoffMs?: number;
  /** Up to this fraction of a delay is added at random, so that many processes do not return at once; default 0.2. */
  readonly randomFactor?: number;
  /**
   * Restarts in a row without progress before it gives up with `RESTARTS_EXHAUSTED`; default 20. A run that
   * commits more than any before it is progress, and so is one that runs for `healthyMs` and leaves no record unfinished.
   */
  readonly maxRestarts?: number;
  /** A run that lasts this long was healthy: after it the delays begin at `minBackoffMs` again; default 60 000 ms. */
  readonly healthyMs?: number;
  /**
   * How long a run that failed may take to close its client, which otherwise would compete with the next one. Then
   * it is shut down, whatever of it still runs, and after as long again there is no restart. Default 30 000 ms.
   */
  readonly closeTimeoutMs?: number;
  /**
   * Whether a restart may mend this failure; default: always. What no restart mends, as wrong settings, a record that
   * cannot be decoded or a fenced id, is never asked about. It has to be synchronous. One that throws, or answers
   * anything but `true` or `false`, ends the graph.
   */
  readonly restartOn?: (failure: unknown) => boolean;
  /** Called before each delay. What it throws, or rejects with, is logged. */
  readonly onRestart?: (restart: Restart) => void;
  /** Gets a warning for each restart; default: the console, as in `KafkaSettings`. */
  readonly logger?: Logger;
  /** From 0 (inclusive) to 1 (exclusive); default `Math.random`. */
  readonly random?: () => number;
}

export type ParsedRestarts = Required<Omit<RestartSettings, "onRestart" | "restartOn">> &
  Pick<RestartSettings, "onRestart" | "restartOn">;

const given = <F>(): z.ZodOptional<z.ZodType<F>> =>
  z.custom<F>((value) => typeof value === "function", "a function").optional();

const schema = z.strictObject({
  minBackoffMs: z.number().nonnegative().default(1000),
  maxBackoffMs: z.number().positive().default(30_000),
  randomFactor: z.number().nonnegative().default(0.2),
  maxRestarts: z.union([z.number().int().nonnegative(), z.literal(Number.POSITIVE_INFINITY)]).default(20),
  healthyMs: z.number().positive().default(60_000),
  closeTimeoutMs: z.number().positive().default(30_000),
  restartOn: given<NonNullable<RestartSettings["restartOn"]>>(),
  onRestart: given<NonNullable<RestartSettings["onRestart"]>>(),
  random: given<() => number>(),
  logger: z.custom<Logger>((value) => typeof value === "object" && value !== null, "a logger").optional(),
});

export const parseRestarts = (settings: RestartSettings): ParsedRestarts => {
  const parsed = parse(schema, settings, "restarting");
  if (parsed.minBackoffMs > parsed.maxBackoffMs) {
    throw new KafkaConnectorError(
      "INVALID_SETTINGS",
      `restarting: minBackoffMs is ${parsed.minBackoffMs} and maxBackoffMs ${parsed.maxBackoffMs}. Raise maxBackoffMs, or lower minBackoffMs.`,
    );
  }
  const { random = Math.random } = parsed;
  const logger = loggerOf(parsed.logger);
  const { restartOn, onRestart, ...times } = parsed;
  return { ...times, random, logger, ...(restartOn && { restartOn }), ...(onRestart && { onRestart }) };
};
