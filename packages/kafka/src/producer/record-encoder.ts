import { textOf } from "@millrace/streams/stage";
import type { OutgoingRecord } from "../client/port.js";
import { failureText } from "../records/failure-text.js";
import { KafkaConnectorError } from "../errors/errors.js";
import type { ProducerRecord } from "../records/messages.js";
import { bytes, encodeNow, nullable, type Serializer, string } from "../records/serde.js";
import { encodeHeaders } from "./encode-headers.js";

/** Turns records into bytes; one that cannot be throws `SERIALIZATION_FAILED`, one with no proper headers `INVALID_RECORD`. */
export const recordEncoder = <K, V>(settings: {
  readonly key?: Serializer<K>;
  readonly value?: Serializer<V>;
}): ((record: ProducerRecord<K, V>) => OutgoingRecord) => {
  const keys = settings.key ?? (string() as Serializer<never> as Serializer<K>);
  const values = settings.value ?? (nullable(bytes()) as Serializer<never> as Serializer<V>);
  return (record) => {
    const { topic, partition, headers, timestamp } = record;
    let key: Buffer | null;
    let value: Buffer | null;
    try {
      key = record.key === undefined || record.key === null ? null : encodeNow(keys, record.key);
      value = encodeNow(values, record.value);
    } catch (cause) {
      throw new KafkaConnectorError(
        "SERIALIZATION_FAILED",
        `A record for ${textOf(topic)} could not be encoded: ${failureText(cause)}`,
        { cause },
      );
    }
    // Most records have no more than this; spreading what is absent costs as much as the rest.
    if (headers === undefined && timestamp === undefined) {
      return partition === undefined ? { topic, key, value } : { topic, partition, key, value };
    }
    return {
      topic,
      key,
      value,
      ...(partition === undefined ? undefined : { partition }),
      ...(headers === undefined ? undefined : { headers: encodeHeaders(headers, topic) }),
      ...(timestamp === undefined ? undefined : { timestamp }),
    };
  };
};
