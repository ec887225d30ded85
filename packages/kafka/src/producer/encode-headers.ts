import type { Headers } from "../client/port.js";
import { invalidRecord } from "../client/invalid-record.js";
import type { KafkaConnectorError } from "../errors/errors.js";
import type { HeaderValue, ProducerHeaders } from "../records/messages.js";

const LIST = "Give headers as a list of [name, value], where a value is a string, a Buffer or null";

/** A name that an object puts before all others, whatever was written first. */
const INDEX = /^(0|[1-9]\d*)$/;

const invalid = (topic: string, reason: string): KafkaConnectorError => invalidRecord(topic, `${reason}. ${LIST}`);

const isValue = (value: unknown): value is HeaderValue =>
  typeof value === "string" || value === null || value instanceof Uint8Array;

const entriesOf = (headers: ProducerHeaders, topic: string): readonly (readonly [string, HeaderValue])[] => {
  if (typeof headers !== "object" || headers === null)
    throw invalid(topic, "its headers are neither a list nor an object");
  // A Map too: as an object it would have none.
  if (Symbol.iterator in headers) return [...(headers as readonly (readonly [string, HeaderValue])[])];
  const entries = Object.entries(headers);
  // Such names come first, so one look is enough.
  if (entries.length > 1 && INDEX.test((entries[0] as readonly [string, HeaderValue])[0])) {
    throw invalid(topic, `an object has lost the place of its header ${JSON.stringify(entries[0]?.[0])}`);
  }
  return entries;
};

/** The headers as they are sent; what is no header throws `INVALID_RECORD`. */
export const encodeHeaders = (headers: ProducerHeaders, topic: string): Headers =>
  entriesOf(headers, topic).map((entry): readonly [string, Buffer | null] => {
    if (!Array.isArray(entry) || typeof entry[0] !== "string") throw invalid(topic, "one of its headers has no name");
    const [name, value] = entry as readonly [string, HeaderValue];
    if (!isValue(value))
      throw invalid(topic, `its header ${JSON.stringify(name)} holds a value of type ${typeof value}`);
    return [name, value === null || Buffer.isBuffer(value) ? value : Buffer.from(value)];
  });
