import { z } from "zod";

/** What a source does when its client, or the cluster, behaves as it should not. */
export interface RecoverySettings {
  /**
   * If an offset goes backwards, skips these records and seeks back to the expected offset; without it that fails the
   * stream with `OFFSET_RESET`. Off by default; `{}` switches it on. A step back by `offsetThreshold` records or less
   * (default: 0, or any number where `timeThresholdMs` is given) counts only where it is also more than
   * `timeThresholdMs` older than the record received last (default: never).
   */
  readonly offsetResetProtection?: { readonly offsetThreshold?: number; readonly timeThresholdMs?: number };
  /**
   * Asks a broker to describe the cluster `checkIntervalMs` (default 15 000) after its last answer. After a failure it
   * asks again, each time `backoffFactor` (default 2) times later; more than `maxRetries` (default 3) failures in a row
   * after the first fail the stream with `KAFKA_CONNECTION_FAILED`. Off by default: then the source waits for its
   * brokers for ever; `{}` switches it on.
   */
  readonly connectionChecker?: {
    readonly maxRetries?: number;
    readonly checkIntervalMs?: number;
    readonly backoffFactor?: number;
  };
  /**
   * A partition with nothing fetched for `afterMs` (default 60 000), though the broker has more and the stream wants
   * it, is read anew: by a seek, then by assigning it again, then by another client; one of these each `afterMs`.
   * `false`: never.
   */
  readonly watchdog?: false | { readonly afterMs?: number };
}

export interface ParsedProtection {
  readonly offsetThreshold?: number | undefined;
  readonly timeThresholdMs?: number | undefined;
}

export interface ParsedChecker {
  readonly maxRetries: number;
  readonly checkIntervalMs: number;
  readonly backoffFactor: number;
}

export interface ParsedWatchdog {
  readonly afterMs: number;
}

export interface ParsedRecovery {
  readonly offsetResetProtection: ParsedProtection | undefined;
  readonly connectionChecker: ParsedChecker | undefined;
  readonly watchdog: ParsedWatchdog | false;
}

export type RecoveryShape = {
  readonly offsetResetProtection: z.ZodOptional<z.ZodType<ParsedProtection>>;
  readonly connectionChecker: z.ZodOptional<z.ZodType<ParsedChecker>>;
  readonly watchdog: z.ZodOptional<z.ZodType<ParsedWatchdog | false>>;
};

const DEFAULT_AFTER_MS = 60_000;

export const recoveryShape: RecoveryShape = {
  offsetResetProtection: z
    .strictObject({
      offsetThreshold: z.number().int().nonnegative().optional(),
      timeThresholdMs: z.number().int().nonnegative().optional(),
    })
    .optional(),
  connectionChecker: z
    .strictObject({
      maxRetries: z.number().int().nonnegative().default(3),
      checkIntervalMs: z.number().int().positive().default(15_000),
      backoffFactor: z.number().positive().default(2),
    })
    .optional(),
  watchdog: z
    .union([z.literal(false), z.strictObject({ afterMs: z.number().int().positive().default(DEFAULT_AFTER_MS) })])
    .optional(),
};

export const recoveryOf = (parsed: {
  readonly offsetResetProtection?: ParsedProtection | undefined;
  readonly connectionChecker?: ParsedChecker | undefined;
  readonly watchdog?: ParsedWatchdog | false | undefined;
}): ParsedRecovery => ({
  offsetResetProtection: parsed.offsetResetProtection,
  connectionChecker: parsed.connectionChecker,
  watchdog: parsed.watchdog ?? { afterMs: DEFAULT_AFTER_MS },
});
