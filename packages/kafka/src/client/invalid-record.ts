import { KafkaConnectorError } from "../errors/errors.js";
import type { OutgoingRecord } from "./port.js";

/** Throws `INVALID_RECORD` for what no client would send as it is. */
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
