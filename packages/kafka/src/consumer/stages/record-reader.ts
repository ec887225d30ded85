import type { WithClaim } from "@millrace/streams";
import { CommittableOffset } from "../../offsets/committable-offset.js";
import { failureText } from "../../records/failure-text.js";
import { KafkaConnectorError } from "../../errors/errors.js";
import type { Outcome } from "../../ledger/partition-ledger.js";
import type { CommittableMessage, ConsumerRecord } from "../../records/messages.js";
import { bytes, callsOthers, decodeNow, type Deserializer, nullable, string } from "../../records/serde.js";
import type { ConsumerSession } from "../consumer-session.js";
import type { BufferedRun } from "../partitions/fetched-chunk.js";
import type { Delivery } from "../reading/turns.js";

/** How keys and values are decoded. */
export interface ConsumerSerdes<out K, out V> {
  /** Default: UTF-8 text. A record without a key has `null` whatever the serde. */
  readonly key?: Deserializer<K>;
  /** Default: the bytes, `null` for a tombstone. */
  readonly value?: Deserializer<V>;
}

/** Makes elements of fetched records. */
export interface RecordReader<out A> {
  /** Elements refer to the fetched bytes, so that a chunk cannot be released. */
  readonly keepsBytes: boolean;
  /** Reading a record calls functions of others, which may do anything. */
  readonly callsOthers: boolean;
  /** Elements carry their claims. */
  readonly withContext: boolean;
  /** Claims are open until the stream has ended them. */
  readonly opensClaims: boolean;
  /** Whether an earlier owner has finished the record; its claim then ends at once. */
  isFinished(delivery: Delivery, index: number, now: number): boolean;
  /** Decodes record `index` and opens its claim. A throw is supervised. */
  read(delivery: Delivery, index: number, now: number, session: ConsumerSession): A;
  /** Supervision goes on without a record that could not be decoded: its claim ends as discarded. */
  skip(delivery: Delivery, index: number, now: number): void;
}

const decode = <T>(
  deserializer: Deserializer<T>,
  value: Buffer | null,
  part: string,
  run: BufferedRun,
  index: number,
): T => {
  try {
    return decodeNow(deserializer, value);
  } catch (cause) {
    throw new KafkaConnectorError(
      "DESERIALIZATION_FAILED",
      `The ${part} of ${run.topic}[${run.partition}]@${run.fetched.chunk.offset(index)} could not be decoded: ${failureText(
        cause,
      )}. Wrap the serde in attempt() to handle such records in the stream.`,
      { cause },
    );
  }
};

interface RecordDecoder<K, V> {
  readonly keepsBytes: boolean;
  readonly callsOthers: boolean;
  readonly decode: (run: BufferedRun, index: number) => ConsumerRecord<K, V>;
}

const recordDecoder = <K, V>({ key, value }: ConsumerSerdes<K, V>): RecordDecoder<K, V> => {
  const keys = key ?? (string() as Deserializer<unknown> as Deserializer<K>);
  const values = value ?? (nullable(bytes()) as Deserializer<unknown> as Deserializer<V>);
  return {
    keepsBytes: (keys.keepsBytes ?? false) || (values.keepsBytes ?? false),
    callsOthers: callsOthers(keys) || callsOthers(values),
    decode(run, index) {
      const { topic, partition } = run;
      const { chunk } = run.fetched;
      const keyBytes = chunk.key(index);
      return {
        topic,
        partition,
        offset: chunk.offset(index),
        timestamp: chunk.timestamp(index),
        key: keyBytes === null ? null : decode(keys, keyBytes, "key", run, index),
        value: decode(values, chunk.value(index), "value", run, index),
        headers: chunk.headers(index),
      };
    },
  };
};

const pass = ({ owned, run }: Delivery, index: number, now: number, outcome: Outcome): void =>
  owned.pass(run.fetched.chunk.offset(index), now, outcome);

const discard = (delivery: Delivery, index: number, now: number): void => pass(delivery, index, now, "discarded");

const never = (): boolean => false;

/** A key as an explanation may show it. Bytes are not kept: thousands of small buffers are expensive to collect. */
const keptKey = (key: unknown): unknown => (key instanceof Uint8Array ? undefined : key);

/** Records that are not committed. */
export const plainReader = <K, V>(serdes: ConsumerSerdes<K, V>): RecordReader<ConsumerRecord<K, V>> => {
  const decoder = recordDecoder(serdes);
  return {
    keepsBytes: decoder.keepsBytes,
    callsOthers: decoder.callsOthers,
    withContext: false,
    opensClaims: false,
    isFinished: never,
    read: ({ run }, index) => decoder.decode(run, index),
    skip: () => undefined,
  };
};

const metadataOf = <K, V>(metadata: (record: ConsumerRecord<K, V>) => string, record: ConsumerRecord<K, V>): string => {
  const text: unknown = metadata(record);
  if (typeof text === "string") return text;
  throw new KafkaConnectorError(
    "INVALID_SETTINGS",
    `committableSource: metadata answered ${typeof text} for ${record.topic}[${record.partition}]@${record.offset}; it has to answer a string, at once.`,
  );
};

/** Records with their offsets: the explicit surface. */
export const committableReader = <K, V>(
  serdes: ConsumerSerdes<K, V>,
  metadata: ((record: ConsumerRecord<K, V>) => string) | undefined,
): RecordReader<CommittableMessage<K, V>> => {
  const decoder = recordDecoder(serdes);
  return {
    keepsBytes: decoder.keepsBytes,
    callsOthers: decoder.callsOthers || metadata !== undefined,
    withContext: false,
    opensClaims: true,
    isFinished: never,
    read({ owned, run }, index, now, session) {
      const record = decoder.decode(run, index);
      const { topic, partition, offset } = record;
      const text = metadata && metadataOf(metadata, record);
      owned.open(offset, now, session.countsBytes ? run.fetched.chunk.bytes(index) : 0);
      return { record, offset: new CommittableOffset(session.commits, topic, partition, offset, owned.epoch, text) };
    },
    skip: discard,
  };
};

/** Records with their claims. */
export const claimedReader = <K, V>(serdes: ConsumerSerdes<K, V>): RecordReader<WithClaim<ConsumerRecord<K, V>>> => {
  const decoder = recordDecoder(serdes);
  return {
    keepsBytes: decoder.keepsBytes,
    callsOthers: decoder.callsOthers,
    withContext: true,
    opensClaims: true,
    isFinished(delivery, index, now) {
      const { owned, run } = delivery;
      if (!owned.commit.isFinished(run.fetched.chunk.offset(index))) return false;
      pass(delivery, index, now, "processed");
      return true;
    },
    read({ owned, run }, index, now, session) {
      const value = decoder.decode(run, index);
      const bytes = session.countsBytes ? run.fetched.chunk.bytes(index) : 0;
      return { value, claim: owned.claim(value.offset, keptKey(value.key), now, bytes) };
    },
    skip: discard,
  };
};
