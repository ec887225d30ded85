import type { Headers, TopicPartitionOffset } from "../client/port.js";
import type { WrittenDialect } from "../settings/dead-letter-settings.js";
import type { DeadLetter, DeadLetterSource } from "./dead-letter.js";
import { type Detail, type FailureDetails, failureDetails } from "./failure-details.js";
import type { LetterReason, RawRecord } from "./letter.js";
import { readDeadLetter } from "./read-dead-letter.js";

type Header = readonly [name: string, value: Buffer];

const text = (name: string, value: string | number | undefined): readonly Header[] =>
  value === undefined ? [] : [[name, Buffer.from(String(value))]];

const int32 = (name: string, value: number | undefined): readonly Header[] => {
  if (value === undefined) return [];
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return [[name, bytes]];
};

const int64 = (name: string, value: number): readonly Header[] => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return [[name, bytes]];
};

/** What a dialect writes: of the record's origin, which the first writer says for good, and of its latest failure. */
interface Written {
  readonly origin: readonly Header[];
  readonly failure: readonly Header[];
}

/** A source whose record is known. */
type Origin = DeadLetterSource & TopicPartitionOffset;

type Write = (record: RawRecord, reason: LetterReason, failure: FailureDetails) => Written;

/** In text, which any driver sends. */
export const plainOrigin = ({ topic, partition, offset, timestamp, group }: DeadLetterSource): readonly Header[] => [
  ...text("millrace-original-topic", topic),
  ...text("millrace-original-partition", partition),
  ...text("millrace-original-offset", offset),
  ...text("millrace-original-timestamp", timestamp),
  ...text("millrace-original-group", group || undefined),
];

const plain: Write = (record, { group, attempts }, failure) => ({
  origin: plainOrigin({ ...record, group }),
  failure: [
    ...text("millrace-error-name", failure.name),
    ...text("millrace-error-message", failure.message),
    ...text("millrace-error-cause", failure.cause && `${failure.cause.name}: ${failure.cause.message}`),
    ...text("millrace-error-stack", failure.stack),
    ...text("millrace-error-part", failure.part),
    ...text("millrace-attempts", attempts),
  ],
});

/** The class that Spring's own readers look for where a record could not be decoded. */
const UNDECODABLE = "millrace.DeserializationException";

const spring: Write = ({ topic, partition, offset, timestamp }, { group, attempts }, failure) => {
  const thrown = failure.part === undefined ? failure.name : UNDECODABLE;
  const family = failure.part === "key" ? "kafka_dlt-key-exception" : "kafka_dlt-exception";
  return {
    failure: [
      ...text(`${family}-fqcn`, thrown),
      ...text("kafka_dlt-exception-cause-fqcn", thrown),
      ...text(`${family}-message`, failure.message),
      ...text(`${family}-stacktrace`, failure.stack),
      ...int32("kafka_deliveryAttempt", attempts),
    ],
    origin: [
      ...text("kafka_dlt-original-topic", topic),
      ...int32("kafka_dlt-original-partition", partition),
      ...int64("kafka_dlt-original-offset", offset),
      ...int64("kafka_dlt-original-timestamp", timestamp),
      ...text("kafka_dlt-original-timestamp-type", "CreateTime"),
      ...text("kafka_dlt-original-consumer-group", group || undefined),
    ],
  };
};

const smallrye: Write = ({ topic, partition, offset }, _, failure) => ({
  failure: [
    ...text("dead-letter-exception-class-name", failure.name),
    ...text("dead-letter-reason", failure.message === "" ? failure.name : failure.message),
    ...text("dead-letter-cause-class-name", failure.cause?.name),
    ...text("dead-letter-cause", failure.cause?.message),
  ],
  origin: [
    ...text("dead-letter-topic", topic),
    ...text("dead-letter-partition", partition),
    ...text("dead-letter-offset", offset),
  ],
});

const karafka: Write = ({ topic, partition, offset }, { group, attempts }) => ({
  failure: text("source_attempts", attempts),
  origin: [
    ...text("source_topic", topic),
    ...text("source_partition", partition),
    ...text("source_offset", offset),
    ...text("source_consumer_group", group || undefined),
  ],
});

const WRITE: Readonly<Record<WrittenDialect, Write>> = { plain, spring, smallrye, karafka };

/** Names of a failure of any kind, for a later one takes their place whatever it was. */
const FAILURE_NAMES =
  /^(millrace-(error-|attempts$)|kafka_dlt-(key-)?exception-|kafka_deliveryAttempt$|dead-letter-(exception-class-name|reason|cause)|source_attempts$)/;

/** Names of an origin, of any kind. */
const ORIGIN_NAMES =
  /^(millrace-original-|kafka_(dlt-)?original-|retry_topic-|dead-letter-(topic|partition|offset)$|delayed-retry-|deserialization-failure-|__connect\.errors\.|source_(topic|partition|offset|consumer_group)$)/;

/** Those that a record had before any letter was written of it. */
export const ownHeaders = (headers: Headers): Headers =>
  headers.filter(([name]) => !FAILURE_NAMES.test(name) && !ORIGIN_NAMES.test(name));

/** Ours, which no user has for another purpose: on a record that is made of another one they say nothing of it. */
const OUR_NAMES = /^millrace-(original-|replays$)/;

/** Whether it was written of a record that has failed; a record that is made of one may have the rest of its headers. */
const saysWhy = ({ dialect, error }: DeadLetter): boolean =>
  dialect === "karafka" || error.name !== undefined || error.message !== undefined;

/**
 * Where a record was read first, in whatever words it says so: a dead letter, and a record that was written back to its topic. A
 * header of such a name alone may be the user's, and what is made of a record and has its headers is a record of its own.
 */
export const knownOrigin = ({ topic, headers }: Pick<RawRecord, "topic" | "headers">): Origin | undefined => {
  const letter = readDeadLetter({ headers });
  if (!letter || (letter.original.topic !== topic && !saysWhy(letter))) return undefined;
  const { original } = letter;
  const { partition, offset } = original;
  return partition === undefined || offset === undefined ? undefined : { ...original, partition, offset };
};

/** Those of a record and, in the words of a dialect, where it was read first and what it failed with last. */
export const writtenHeaders = (
  dialect: WrittenDialect,
  record: RawRecord,
  reason: LetterReason,
  detail: Detail,
): Headers => {
  const known = knownOrigin(record);
  const group = known?.group ?? reason.group;
  const first = { ...record, ...known, timestamp: known?.timestamp ?? record.timestamp };
  const { origin, failure } = WRITE[dialect](first, { ...reason, group }, failureDetails(reason.error, detail));
  const own = known ? ownHeaders(record.headers) : record.headers.filter(([name]) => !OUR_NAMES.test(name));
  const added = dialect === "spring" || dialect === "smallrye" ? [...failure, ...origin] : [...origin, ...failure];
  // SmallRye's readers take the first of a name, all others the last.
  return dialect === "smallrye" ? [...added, ...own] : [...own, ...added];
};
