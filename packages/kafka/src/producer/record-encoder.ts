import type { Headers, OutgoingRecord } from "../client/port.js";
import { KafkaConnectorError } from "../errors.js";
import type { ProducerRecord } from "../messages.js";
import { bytes, nullable, type Serializer, string } from "../serde.js";

const encodeHeaders = (headers: Readonly<Record<string, string | Buffer>>): Headers =>
  Object.entries(headers).map(([name, value]) => [name, typeof value === "string" ? Buffer.from(value) : value]);

/** Turns records into bytes; one that cannot be throws `SERIALIZATION_FAILED`. */
export const recordEncoder = <K, V>(settings: {
  readonly key?: Serializer<K>;
  readonly value?: Serializer<V>;
}): ((record: ProducerRecord<K, V>) => OutgoingRecord) => {
  const keys = settings.key ?? (string() as Serializer<never> as Serializer<K>);
  const values = settings.value ?? (nullable(bytes()) as Serializer<never> as Serializer<V>);
  return (record) => {
    try {
      const { topic, partition, headers, timestamp } = record;
      const key = record.key === undefined || record.key === null ? null : keys.encode(record.key);
      const value = values.encode(record.value);
      // Most records have no more than this; spreading what is absent costs as much as the rest.
      if (headers === undefined && timestamp === undefined) {
        return partition === undefined ? { topic, key, value } : { topic, partition, key, value };
      }
      return {
        topic,
        key,
        value,
        ...(partition === undefined ? undefined : { partition }),
        ...(headers === undefined ? undefined : { headers: encodeHeaders(headers) }),
        ...(timestamp === undefined ? undefined : { timestamp }),
      };
    } catch (cause) {
      throw new KafkaConnectorError(
        "SERIALIZATION_FAILED",
        `A record for ${record.topic} could not be encoded: ${cause instanceof Error ? cause.message : String(cause)}`,
        { cause },
      );
    }
  };
};
