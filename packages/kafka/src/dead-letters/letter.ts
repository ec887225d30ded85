import type { Headers, TopicPartitionOffset } from "../client/port.js";

/** A record as it was read, for its dead letter. */
export interface RawRecord extends TopicPartitionOffset {
  /** Milliseconds since the epoch, or -1. */
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Headers;
}

/** Why a record is written to a dead-letter topic. */
export interface LetterReason {
  readonly error: unknown;
  readonly group: string;
  /** How often it was handled; absent where it could not be decoded. */
  readonly attempts?: number;
}
