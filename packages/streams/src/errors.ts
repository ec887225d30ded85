import { acrossCopies } from "./copies.js";
import { messageOf } from "./engine/text-of.js";

/** Every code a `StreamError` can carry. */
export type StreamErrorCode =
  | "INVALID_ARGUMENT"
  | "EMPTY_STREAM"
  | "TOO_MANY_SUBSTREAMS"
  | "NO_SUCH_BRANCH"
  | "BUFFER_OVERFLOW"
  | "RATE_EXCEEDED"
  | "NOT_A_SOURCE"
  /** A graph has parts of another copy of this package, whose version does not fit. */
  | "INCOMPATIBLE_COPIES"
  /** A stage asked the iterator of its own stream for an element. */
  | "ITERATED_FROM_INSIDE"
  | "INVARIANT_VIOLATION"
  /** A decider threw, or answered no directive. */
  | "DECIDER_FAILED"
  /** The auditor of a connector refused a commit. */
  | "DELIVERY_VIOLATED";

/** An error in JSON: name, message, `fields` and its cause's message; no stack, which loggers print by other means. */
export const jsonOf = (error: Error, fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> => ({
  name: error.name,
  message: error.message,
  ...fields,
  ...(error.cause !== undefined && { cause: messageOf(error.cause) }),
});

/** What the library itself fails a stream or a call with; errors thrown by user functions pass through unchanged. */
export class StreamError extends Error {
  static {
    acrossCopies(this, "StreamError");
  }

  override readonly name: string = "StreamError";
  readonly code: StreamErrorCode;

  constructor(code: StreamErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }

  /** For loggers that write JSON, to which an error is `{}`. */
  toJSON(): Readonly<Record<string, unknown>> {
    return jsonOf(this, { code: this.code });
  }
}

/** An impossible state: a bug in a stage or in Millrace, never supervised. */
export class InvariantViolation extends StreamError {
  static {
    acrossCopies(this, "InvariantViolation");
  }

  override readonly name: string = "InvariantViolation";

  constructor(message: string, code: "INVARIANT_VIOLATION" | "DELIVERY_VIOLATED" = "INVARIANT_VIOLATION") {
    super(code, `${message} (this is a bug in a stage or in Millrace; please report it)`);
  }
}

/** Refuses a bad argument while the graph is built. */
export const requireArgument = (holds: boolean, operator: string, rule: string): void => {
  if (!holds) throw new StreamError("INVALID_ARGUMENT", `${operator}: ${rule}`);
};

/** The commonest rule: a positive whole number. */
export const requirePositive = (value: number, operator: string, name: string): void =>
  requireArgument(Number.isInteger(value) && value >= 1, operator, `${name} must be a whole number >= 1, got ${value}`);
