import { KafkaConnectorError } from "../../errors/errors.js";
import type { OutgoingRecord } from "../port.js";
import { CODE, codeOf, connectorError } from "./error-codes.js";

/** The record itself is at fault: sending it again cannot help. */
const INVALID: ReadonlySet<number> = new Set([
  CODE.invalidArgument,
  CODE.unknownPartition,
  CODE.unknownTopic,
  CODE.messageTooLarge,
]);

/** Throws `INVALID_RECORD` for what the binding would not send as it is. */
export function checkRecord(record: OutgoingRecord): void {
  const { topic, partition, key, value, timestamp } = record;
  if (typeof topic !== "string" || topic === "") {
    throw new KafkaConnectorError("INVALID_RECORD", "A record can never be sent: its topic is not a name.");
  }
  if (!isBytes(value)) throw invalidRecord(topic, "its value is neither a Buffer nor null; serialize it first");
  if (!isBytes(key)) throw invalidRecord(topic, "its key is neither a Buffer nor null; serialize it first");
  if (partition !== undefined && !isNatural(partition)) {
    throw invalidRecord(topic, "its partition is not a natural number");
  }
  if (timestamp !== undefined && !(isNatural(timestamp) && timestamp > 0)) {
    // librdkafka takes 0 for none, and would store the present time.
    throw invalidRecord(
      topic,
      `its timestamp is ${timestamp}, and can be a whole number of milliseconds since 1970 from 1 on. Leave it out for the present time`,
    );
  }
}

function isBytes(bytes: unknown): boolean {
  return bytes === null || bytes instanceof Uint8Array;
}

function isNatural(number: number): boolean {
  return Number.isSafeInteger(number) && number >= 0;
}

export const invalidRecord = (topic: string, reason: string): KafkaConnectorError =>
  new KafkaConnectorError("INVALID_RECORD", `A record for ${topic} can never be sent: ${reason}.`);

/** What the binding threw for a record. */
export function produceError(topic: string, error: unknown): KafkaConnectorError {
  const code = codeOf(error);
  if (code !== undefined && INVALID.has(code))
    return connectorError("INVALID_RECORD", `A record for ${topic} can never be sent`, error);
  return connectorError("PRODUCE_FAILED", `The client refused a record for ${topic}`, error);
}
