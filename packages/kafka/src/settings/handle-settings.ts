import type { Logger } from "@millrace/streams";
import { z } from "zod";
import { KafkaConnectorError } from "../errors/errors.js";
import { loggerOf } from "../logging/logger-of.js";
import { parse } from "./parse.js";
import { Backoff } from "./backoff.js";
import { type DeadLetters, isDeadLetters } from "./dead-letter-settings.js";
import { type Discard, isDiscard } from "./undecodable-settings.js";

/** What becomes of a record that has failed for good. `"stop"` fails the stream, and the record is read again. */
export type Resolution = "stop" | Discard | DeadLetters;

/** A record that has failed for good. */
export interface HandlerFailure {
  /** What its last attempt failed with. */
  readonly error: unknown;
  /** How many there were. */
  readonly attempts: number;
}

/** How records are handled, how often, and what becomes of one that fails for good. */
export interface HandlePolicy {
  /** Records that are handled at a time, from 1 to 65 536; one that waits for its next attempt counts. Default 16. */
  readonly parallelism?: number;
  /**
   * Of which records one waits for the one before it: those of its key (default; a record without one waits for none), of its
   * partition, or `"none"`.
   */
  readonly order?: "key" | "partition" | "none";
  /** Attempts in all; default 4. */
  readonly attempts?: number;
  /**
   * How long it waits for the next attempt: `minMs` (default 200), doubled each time up to `maxMs` (default 10 000), and up to
   * the fraction `jitter` (default 0.2) of that more.
   */
  readonly backoff?: { readonly minMs?: number; readonly maxMs?: number; readonly jitter?: number };
  /**
   * How long an attempt may take before its signal is aborted; default 60 000 ms. It has failed when the function has
   * settled, or 5 s later, so that no two attempts of a record run at a time unless the function ignores its signal.
   */
  readonly timeoutMs?: number;
  /** Whether another attempt may help; `undefined`: as by default. It has to be synchronous. */
  readonly retriable?: (error: unknown) => boolean | undefined;
  /**
   * After so many attempts in a row (default 10), of three keys, that have failed and may be tried again, something that they need is
   * down: then one record at a time is tried until one succeeds, and no attempt is counted. Records that never succeed wait for the
   * next one that does. Default: `false`, never.
   */
  readonly brake?: { readonly failuresInARow?: number } | false;
  /** What becomes of a record that has failed for good, or a function that says so for each. */
  readonly otherwise: Resolution | ((failure: HandlerFailure) => Resolution);
  /** Gets a warning for each record that has failed for good; default: the console, as in `KafkaSettings`. */
  readonly logger?: Logger;
  /** From 0 (inclusive) to 1 (exclusive), for the jitter; default `Math.random`. */
  readonly random?: () => number;
}

export interface ParsedPolicy {
  readonly parallelism: number;
  readonly order: "key" | "partition" | "none";
  readonly attempts: number;
  readonly backoff: { readonly minMs: number; readonly maxMs: number; readonly jitter: number };
  readonly timeoutMs: number;
  readonly retriable: NonNullable<HandlePolicy["retriable"]>;
  readonly brake: { readonly failuresInARow: number } | false;
  readonly otherwise: HandlePolicy["otherwise"];
  readonly logger: Logger;
  readonly random: () => number;
}

/** The pauses of one record. */
export const pausesOf = ({ backoff, random }: ParsedPolicy): Backoff => {
  const { jitter, ...times } = backoff;
  return new Backoff({ ...times, randomFactor: jitter, random });
};

const positive = z.number().int().positive();
const given = <F>(): z.ZodType<F> => z.custom<F>((value) => typeof value === "function", "a function");
/** A timer of Node takes no longer one. */
const LONGEST_MS = 2 ** 31 - 1;

export const isResolution = (value: unknown): value is Resolution =>
  value === "stop" || isDiscard(value) || isDeadLetters(value);

export const RESOLUTIONS = '"stop", discard(reason) or deadLetters()';

const schema = z.strictObject({
  parallelism: positive.max(65_536).default(16),
  order: z.enum(["key", "partition", "none"]).default("key"),
  attempts: positive.default(4),
  backoff: z
    .strictObject({
      minMs: z.number().nonnegative().default(200),
      maxMs: z.number().positive().max(LONGEST_MS).default(10_000),
      jitter: z.number().nonnegative().max(1).default(0.2),
    })
    .prefault({}),
  timeoutMs: z.number().positive().max(LONGEST_MS).default(60_000),
  retriable: given<ParsedPolicy["retriable"]>().default(() => () => undefined),
  brake: z.union([z.literal(false), z.strictObject({ failuresInARow: positive.default(10) })]).default(false),
  otherwise: z.custom<HandlePolicy["otherwise"]>(
    (value) => typeof value === "function" || isResolution(value),
    `required: ${RESOLUTIONS}, or a function of the failure that answers one of these`,
  ),
  logger: z.custom<Logger>((value) => typeof value === "object" && value !== null, "a logger").optional(),
  random: given<() => number>().default(() => Math.random),
});

export const parsePolicy = (policy: HandlePolicy, call: string): ParsedPolicy => {
  const parsed = parse(schema, policy, call);
  const { minMs, maxMs } = parsed.backoff;
  if (minMs > maxMs) {
    throw new KafkaConnectorError(
      "INVALID_SETTINGS",
      `${call}: backoff.minMs is ${minMs} and backoff.maxMs ${maxMs}. Raise maxMs, or lower minMs.`,
    );
  }
  return { ...parsed, logger: loggerOf(parsed.logger) };
};
