import { z } from "zod";
import { namesIn, settingsError } from "../client/settings-error.js";

/** How a dead letter says where it comes from and what it failed with. */
export type WrittenDialect = "spring" | "plain" | "smallrye" | "karafka";

/** A record that is about to be written to a dead-letter topic. */
export interface FailedRecord {
  /** Where it was read. */
  readonly topic: string;
  /** What it failed with. */
  readonly error: unknown;
}

export interface DeadLetterOptions {
  /** Where to; default: the record's topic with `-dlt` behind it. */
  readonly topic?: string | ((failed: FailedRecord) => string);
  /**
   * The headers' names: Spring Kafka's, SmallRye's, Karafka's, or `plain`, which begin with `millrace-`. Default: `spring` where
   * the driver sends bytes in headers, else `plain`; `spring` is refused there, for its numbers are bytes.
   */
  readonly headers?: WrittenDialect;
  /** Makes a topic that is missing, with the partitions and copies of the record's; default `false`. */
  readonly createTopics?: boolean;
}

/** A record is written to a dead-letter topic, and its offset committed once it is stored there: what `deadLetters` makes. */
export interface DeadLetters extends DeadLetterOptions {
  readonly kind: "deadLetters";
}

const schema = z.strictObject({
  topic: z
    .union([
      z.string().min(1),
      z.custom<(failed: FailedRecord) => string>((value) => typeof value === "function", "a function"),
    ])
    .optional(),
  headers: z.enum(["spring", "plain", "smallrye", "karafka"]).optional(),
  createTopics: z.boolean().optional(),
});

/**
 * Writes records to a dead-letter topic, as they came, with headers that say where they were read and what they failed with.
 * The record is done once the broker has stored it there; until then a failing write is tried again, for ever. Throws
 * `INVALID_SETTINGS`.
 *
 * @example
 * sourceWithOffsetContext({ kafka, topics: ["orders"], value: json(Order), undecodable: deadLetters({ createTopics: true }) })
 */
export const deadLetters = (options: DeadLetterOptions = {}): DeadLetters => {
  const { success, error } = schema.safeParse(options);
  if (success) return { kind: "deadLetters", ...options };
  throw settingsError(error.issues, "deadLetters", { known: new Set(namesIn(schema)), ofKafka: new Set() });
};

export const isDeadLetters = (value: unknown): value is DeadLetters =>
  (Object(value) as { readonly kind?: unknown }).kind === "deadLetters";
