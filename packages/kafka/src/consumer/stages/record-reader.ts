import type { WithClaim } from "@millrace/streams";
import { partitionName } from "../../client/partition-key.js";
import type { TopicPartitionOffset } from "../../client/port.js";
import { CommittableOffset } from "../../offsets/committable-offset.js";
import { failureText } from "../../records/failure-text.js";
import { DecoderUnavailableError } from "../../errors/decoder-unavailable-error.js";
import { DeserializationError } from "../../errors/deserialization-error.js";
import { KafkaConnectorError } from "../../errors/errors.js";
import type { RawRecord } from "../../dead-letters/letter.js";
import { setRaw } from "./raw-records.js";
import type { Outcome } from "../../ledger/partition-ledger.js";
import type { ConsumerRecord } from "../../records/messages.js";
import { bytes, callsOthers, decodeNow, type Deserializer, nullable, string } from "../../records/serde.js";
import { isUndecodable, type ReadMessage, type ReadRecord, type UndecodableRecord } from "../../records/undecodable.js";
import type { Undecodable, UndecodableSetting } from "../../settings/undecodable-settings.js";
import type { ConsumerSession } from "../consumer-session.js";
import type { BufferedRun } from "../partitions/fetched-chunk.js";
import type { Delivery } from "../reading/turns.js";

/** How keys and values are decoded. */
export interface ConsumerSerdes<out K, out V, out U extends UndecodableSetting = Undecodable> {
  /** Default: UTF-8 text. A record without a key has `null` whatever the serde. */
  readonly key?: Deserializer<K>;
  /** Default: the bytes, `null` for a tombstone. */
  readonly value?: Deserializer<V>;
  /**
   * What becomes of a record whose key or value cannot be decoded. Default: `"stop"`, which fails the stream;
   * `discard(reason)` leaves it out, `deadLetters()` writes it to another topic; with `"element"` the stream gets it, as an
   * `UndecodableRecord`.
   */
  readonly undecodable?: U;
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
  /** Decodes record `index` and opens its claim, which keeps the record as it came with `raw`. A throw is supervised. */
  read(delivery: Delivery, index: number, now: number, session: ConsumerSession, raw: boolean): A;
  /** A record that could not be decoded is passed over: its claim ends. */
  skip(delivery: Delivery, index: number, now: number, outcome: Outcome): void;
}

/** For those who have not said what becomes of such records. */
const REMEDY =
  ' Say what becomes of such records: undecodable: discard("why") leaves them out, "element" hands them to the stream.';

/** Decodes a part of a record; the error says `remedy` too. */
const decoding =
  (remedy: string) =>
  <T>(
    deserializer: Deserializer<T>,
    value: Buffer | null,
    part: "key" | "value",
    run: BufferedRun,
    index: number,
  ): T => {
    try {
      return decodeNow(deserializer, value);
    } catch (cause) {
      if (cause instanceof DecoderUnavailableError) throw cause;
      const record = `${partitionName(run)}@${run.fetched.chunk.offset(index)}`;
      throw new DeserializationError(
        part,
        `The ${part} of ${record} could not be decoded: ${failureText(cause)}.${remedy}`,
        cause,
      );
    }
  };

interface RecordDecoder<R> {
  readonly keepsBytes: boolean;
  readonly callsOthers: boolean;
  readonly decode: (run: BufferedRun, index: number) => R;
}

/** A record as it came. */
export const rawRecord = ({ topic, partition, fetched }: BufferedRun, index: number): RawRecord => {
  const { chunk } = fetched;
  // One literal, for a spread costs a microsecond.
  return {
    topic,
    partition,
    offset: chunk.offset(index),
    timestamp: chunk.timestamp(index),
    key: chunk.key(index),
    value: chunk.value(index),
    headers: chunk.headers(index),
  };
};

const copyOf = (bytes: Buffer | null): Buffer | null => bytes && Buffer.from(bytes);

const undecodableRecord = ({ topic, partition, fetched }: BufferedRun, index: number, error: DeserializationError) => {
  const { chunk } = fetched;
  return {
    ...{ topic, partition, offset: chunk.offset(index), timestamp: chunk.timestamp(index) },
    headers: chunk.headers(index),
    failure: { part: error.part, error },
    // Copies: one record that waits would keep the whole chunk.
    raw: { key: copyOf(chunk.key(index)), value: copyOf(chunk.value(index)) },
  } satisfies UndecodableRecord;
};

/** What cannot be decoded is an element. */
const asElements = <R>(decoder: RecordDecoder<R>): RecordDecoder<R | UndecodableRecord> => ({
  ...decoder,
  decode(run, index) {
    try {
      return decoder.decode(run, index);
    } catch (error) {
      if (error instanceof DeserializationError) return undecodableRecord(run, index, error);
      throw error;
    }
  },
});

const recordDecoder = <K, V, U extends UndecodableSetting>({
  key,
  value,
  undecodable,
}: ConsumerSerdes<K, V, U>): RecordDecoder<ReadRecord<K, V, U>> => {
  const keys = key ?? (string() as Deserializer<unknown> as Deserializer<K>);
  const values = value ?? (nullable(bytes()) as Deserializer<unknown> as Deserializer<V>);
  const decode = decoding(undecodable === undefined || undecodable === "stop" ? REMEDY : "");
  const decoder: RecordDecoder<ConsumerRecord<K, V>> = {
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
  // The setting says which of the two it is; the compiler does not follow a comparison into a conditional type.
  return (undecodable === "element" ? asElements(decoder) : decoder) as RecordDecoder<ReadRecord<K, V, U>>;
};

const pass = ({ owned, run }: Delivery, index: number, now: number, outcome: Outcome): void =>
  owned.pass(run.fetched.chunk.offset(index), now, outcome);

const never = (): boolean => false;

/** A key as an explanation may show it. Bytes are not kept: thousands of small buffers are expensive to collect. */
const shownKey = (record: ConsumerRecord<unknown, unknown> | UndecodableRecord): unknown =>
  isUndecodable(record) || record.key instanceof Uint8Array ? undefined : record.key;

/** Records that are not committed. */
export const plainReader = <K, V, U extends UndecodableSetting>(
  serdes: ConsumerSerdes<K, V, U>,
): RecordReader<ReadRecord<K, V, U>> => {
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

const metadataOf = <R extends TopicPartitionOffset>(metadata: (record: R) => string, record: R): string => {
  const text: unknown = metadata(record);
  if (typeof text === "string") return text;
  throw new KafkaConnectorError(
    "INVALID_SETTINGS",
    `committableSource: metadata answered ${typeof text} for ${record.topic}[${record.partition}]@${record.offset}; it has to answer a string, at once.`,
  );
};

/** Records with their offsets: the explicit surface. */
export const committableReader = <K, V, U extends UndecodableSetting>(
  serdes: ConsumerSerdes<K, V, U>,
  metadata: ((record: ReadRecord<K, V, U>) => string) | undefined,
): RecordReader<ReadMessage<K, V, U>> => {
  const decoder = recordDecoder(serdes);
  return {
    keepsBytes: decoder.keepsBytes,
    callsOthers: decoder.callsOthers || metadata !== undefined,
    withContext: false,
    opensClaims: true,
    isFinished: never,
    read({ owned, run }, index, now, session, raw) {
      const record = decoder.decode(run, index);
      const { topic, partition, offset } = record;
      const text = metadata && metadataOf(metadata, record);
      owned.open(offset, now, session.countsBytes ? run.fetched.chunk.bytes(index) : 0);
      const finishing = new CommittableOffset(session.commits, topic, partition, offset, owned.epoch, text);
      if (raw) setRaw(finishing, rawRecord(run, index));
      return { record, offset: finishing } as ReadMessage<K, V, U>;
    },
    skip: pass,
  };
};

/** Records with their claims. */
export const claimedReader = <K, V, U extends UndecodableSetting>(
  serdes: ConsumerSerdes<K, V, U>,
): RecordReader<WithClaim<ReadRecord<K, V, U>>> => {
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
    read({ owned, run }, index, now, session, raw) {
      const value = decoder.decode(run, index);
      const bytes = session.countsBytes ? run.fetched.chunk.bytes(index) : 0;
      const claim = owned.claim(value.offset, shownKey(value), now, bytes);
      if (raw) setRaw(claim, rawRecord(run, index));
      return { value, claim };
    },
    skip: pass,
  };
};
