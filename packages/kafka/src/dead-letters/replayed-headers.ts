import type { Headers } from "../client/port.js";
import type { DeadLetterSource } from "./dead-letter.js";
import { BASE64, sendableHeaders } from "./sendable-headers.js";
import { ownHeaders, plainOrigin } from "./written-headers.js";

/** Counts how often a record was written back. */
const ROUNDS = "millrace-replays";

/** How often the record was written back before. */
export const roundsOf = (headers: Headers): number => {
  const said = headers.findLast(([name]) => name === ROUNDS)?.[1]?.toString() ?? "";
  return /^\d{1,9}$/.test(said) ? Number(said) : 0;
};

/** Bytes that stand as base64, as they were. */
const decoded = ([name, value]: Headers[number]): Headers[number] =>
  name.startsWith(BASE64) ? [name.slice(BASE64.length), Buffer.from(String(value), "base64")] : [name, value];

/**
 * Those of a record that is written back: its own, and where it was read first, so that its idempotency key stays; not what it
 * failed with.
 */
export const replayedHeaders = (headers: Headers, original: DeadLetterSource, sendsBytes: boolean): Headers => {
  const own = ownHeaders(headers).filter(([name]) => name !== ROUNDS);
  const rounds: Headers[number] = [ROUNDS, Buffer.from(String(roundsOf(headers) + 1))];
  return [...(sendsBytes ? own.map(decoded) : sendableHeaders(own)), ...plainOrigin(original), rounds];
};
