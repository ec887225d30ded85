/** Who has written a dead letter, by the names of its headers. */
export type DeadLetterDialect = "spring" | "smallrye" | "connect" | "karafka" | "plain";

/** Where a record was read when it failed; what the writer does not say is `undefined`. */
export interface DeadLetterSource {
  readonly topic: string;
  readonly partition: number | undefined;
  readonly offset: number | undefined;
  /** Of the record there, in milliseconds since the epoch. */
  readonly timestamp: number | undefined;
  readonly group: string | undefined;
}

/** What a record failed with. */
export interface DeadLetterError {
  /** The class of what the handler threw. */
  readonly name: string | undefined;
  readonly message: string | undefined;
  /** Its cause, where the writer names one: class and message. */
  readonly cause: string | undefined;
  readonly stack: string | undefined;
  /** The part that could not be decoded, where that was the failure. */
  readonly part: "key" | "value" | undefined;
}

/** What the headers of a dead letter, or of a record in a retry topic, say of the record. */
export interface DeadLetter {
  readonly dialect: DeadLetterDialect;
  /** Where the record was read first. */
  readonly original: DeadLetterSource;
  /** What it failed with last. */
  readonly error: DeadLetterError;
  /** How often it was tried in all; `undefined` where the writer does not count. */
  readonly attempts: number | undefined;
  /** Where it was read each time that it failed and was written elsewhere, the newest first; `original` is the last. */
  readonly history: readonly DeadLetterSource[];
  /** The writer has put something else in place of the value, so the record cannot be written back. */
  readonly valueLost: boolean;
}
