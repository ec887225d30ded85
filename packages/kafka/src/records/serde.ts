import { DecoderUnavailableError } from "../errors/decoder-unavailable-error.js";
import { printable, promiseOf } from "@millrace/streams/stage";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { notJson } from "./failure-text.js";
import { issueText } from "./issue-text.js";

/**
 * Turns bytes into values. Whatever it throws is reported with topic, partition and offset as `DESERIALIZATION_FAILED`,
 * with the first 500 characters of what the error says, and with the error as `cause`; only a `DecoderUnavailableError`
 * puts the record off.
 */
export interface Deserializer<out T> {
  /** `bytes` is `null` for a record without a value (a tombstone). Returning a promise is a failure to decode. */
  decode(bytes: Buffer | null): T;
  /** The result refers to `bytes`, so their memory must stay. */
  readonly keepsBytes?: boolean;
}

/** Turns values into bytes; whatever it throws is reported as `SERIALIZATION_FAILED`, with the error as `cause`. */
export interface Serializer<in T> {
  /** Returning a promise is a failure to encode. */
  encode(value: T): Buffer | null;
}

export interface Serde<in out T> extends Deserializer<T>, Serializer<T> {}

const present = (bytes: Buffer | null, serde: string): Buffer => {
  if (bytes === null) throw new TypeError(`the record has no value; use nullable(${serde}) where tombstones occur`);
  return bytes;
};

const ours = new WeakSet<object>();

/** Marks a serde that calls only our functions: one of ours, or a wrapper of one of ours. */
const alone = <S extends object>(serde: S, wrapped?: object): S => {
  if (wrapped === undefined || ours.has(wrapped)) ours.add(serde);
  return serde;
};

/** Whether a deserializer calls functions that are not ours, which may do anything. */
export const callsOthers = (deserializer: Deserializer<unknown>): boolean => !ours.has(deserializer);

/**
 * UTF-8 text.
 *
 * @example
 * sourceWithOffsetContext({ kafka, topics: ["orders"], value: string() })
 */
export const string = (): Serde<string> =>
  alone({
    decode: (bytes) => present(bytes, "string()").toString("utf8"),
    encode: (value) => Buffer.from(value, "utf8"),
  });

/** The bytes as they are. */
export const bytes = (): Serde<Buffer> =>
  alone({
    decode: (value) => present(value, "bytes()"),
    encode: (value) => value,
    keepsBytes: true,
  });

/**
 * Lets `null` through, as the tombstone it is.
 *
 * @example
 * committableSource({ kafka, topics: ["words"], value: nullable(string()) })
 */
export const nullable = <T>(serde: Serde<T>): Serde<T | null> => {
  const wrapping: Serde<T | null> = {
    decode: (value) => (value === null ? null : serde.decode(value)),
    encode: (value) => (value === null ? null : serde.encode(value)),
    keepsBytes: serde.keepsBytes ?? false,
  };
  return alone(wrapping, serde);
};

/** The error for a promise, which is not awaited; what it rejects with becomes the cause. */
const refusedLater = (later: Promise<unknown>, message: string): TypeError => {
  const error = new TypeError(message);
  later.catch((cause: unknown) => {
    Object.defineProperty(error, "cause", { value: cause, configurable: true, writable: true });
  });
  return error;
};

/** What a deserializer makes of bytes, at once. */
export const decodeNow = <T>(deserializer: Deserializer<T>, bytes: Buffer | null): T => {
  const value = deserializer.decode(bytes);
  const later = promiseOf(value);
  if (!later) return value;
  throw refusedLater(
    later,
    "the decoder answered a promise. Decode synchronously, and do in a mapAsync what takes time",
  );
};

/** What a serializer makes of a value, at once. */
export const encodeNow = <T>(serializer: Serializer<T>, value: T): Buffer | null => {
  const bytes = serializer.encode(value);
  if (bytes === null || Buffer.isBuffer(bytes)) return bytes;
  const later = promiseOf<unknown>(bytes);
  if (!later) return bytes;
  throw refusedLater(
    later,
    "the encoder answered a promise. Encode synchronously, and do in a mapAsync what takes time",
  );
};

const parsedJson = (bytes: Buffer): unknown => {
  const text = bytes.toString("utf8");
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SyntaxError(notJson(cause as SyntaxError), { cause });
  }
};

const answerOf = <T>(schema: StandardSchemaV1<unknown, T>, value: unknown): unknown => {
  try {
    return schema["~standard"].validate(value);
  } catch (cause) {
    const name = cause instanceof Error ? printable(cause.name, 40) : "something that is no Error";
    throw new TypeError(
      `the schema threw ${name}, see the cause. Let a refinement answer false, and a transform add an issue`,
      { cause },
    );
  }
};

const validated = <T>(schema: StandardSchemaV1<unknown, T>, value: unknown): T => {
  const answer = answerOf(schema, value);
  const later = promiseOf(answer);
  if (later) {
    throw refusedLater(
      later,
      "json() validates synchronously, and the schema answered a promise: a refinement or transform of it is asynchronous or threw, see the cause. Let a refinement answer false and a transform add an issue, and validate asynchronously in a mapAsync",
    );
  }
  const result = answer as StandardSchemaV1.Result<T>;
  if (result.issues) throw new TypeError(issueText(result.issues, value), { cause: result.issues });
  return result.value;
};

/**
 * JSON text, checked on the way in by any Standard Schema (zod, valibot, arktype); without a schema the value is
 * `unknown`. Values are written as they are: their type was checked by the compiler. A schema that throws, or returns a
 * promise, has failed to decode the record. Its error lists at most five issues and no values; `cause` has them all.
 *
 * @example
 * const sender = SendProducer.create({
 *   kafka: { brokers: "localhost:9092" },
 *   value: json(z.object({ id: z.string() })),
 * });
 */
export const json: {
  <T>(schema: StandardSchemaV1<unknown, T>): Serde<T>;
  (): Serde<unknown>;
} = <T>(schema?: StandardSchemaV1<unknown, T>): Serde<T> => {
  const serde: Serde<T> = {
    decode: (value) => {
      const parsed = parsedJson(present(value, "json()"));
      return schema ? validated(schema, parsed) : (parsed as T);
    },
    encode: (value) => {
      const text = JSON.stringify(value) as string | undefined;
      if (text === undefined) throw new TypeError("the value has no JSON form");
      return Buffer.from(text, "utf8");
    },
  };
  return schema ? serde : alone(serde);
};

/** What `attempt` decodes to. */
export type Attempt<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: unknown; readonly bytes: Buffer | null };

/** Turns a failure to decode into a value, so that a poison record flows on and can be passed through or parked. */
export const attempt = <T>(deserializer: Deserializer<T>): Deserializer<Attempt<T>> => {
  const wrapping: Deserializer<Attempt<T>> = {
    decode: (value) => {
      try {
        return { ok: true, value: decodeNow(deserializer, value) };
      } catch (error) {
        if (error instanceof DecoderUnavailableError) throw error;
        return { ok: false, error, bytes: value };
      }
    },
    keepsBytes: true,
  };
  return alone(wrapping, deserializer);
};
