import { z } from "zod";
import { KafkaConnectorError } from "../errors/errors.js";
import { type DeadLetters, isDeadLetters } from "./dead-letter-settings.js";

/** A record is left out, and its offset committed: what `discard` makes. */
export interface Discard {
  readonly kind: "discard";
  readonly reason: string;
}

/**
 * What becomes of a record that cannot be decoded. `"stop"`, the default, fails the stream, unless its supervision goes on
 * without the record.
 */
export type Undecodable = "stop" | Discard | DeadLetters;

/** The same, or `"element"`: the stream decides, which gets the record as an `UndecodableRecord`. */
export type UndecodableSetting = Undecodable | "element";

/**
 * Leaves records out for good: logged at `warn` with `reason`, and committed as if they had been handled. Throws
 * `INVALID_SETTINGS` without a reason.
 *
 * @example
 * committableSource({ kafka, topics: ["orders"], value: json(Order), undecodable: discard("not an order") })
 */
export const discard = (reason: string): Discard => {
  if (typeof reason === "string" && reason.trim() !== "") return { kind: "discard", reason };
  throw new KafkaConnectorError(
    "INVALID_SETTINGS",
    `discard: reason is ${typeof reason === "string" ? "empty" : typeof reason}. Say why such records are left out: the log repeats it.`,
  );
};

export const isDiscard = (value: unknown): value is Discard => {
  const { kind, reason } = Object(value) as Partial<Record<keyof Discard, unknown>>;
  return kind === "discard" && typeof reason === "string";
};

export const undecodableSchema: z.ZodType<UndecodableSetting> = z.custom<UndecodableSetting>(
  (value) => value === "stop" || value === "element" || isDiscard(value) || isDeadLetters(value),
  '"stop", "element", discard(reason) or deadLetters()',
);
