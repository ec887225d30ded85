import { promiseOf } from "@millrace/streams/stage";
import type { StandardSchemaV1 } from "@standard-schema/spec";

/** Turns bytes into values; a throw is reported with topic, partition and offset as `DESERIALIZATION_FAILED`. */
export interface Deserializer<out T> {
  /** `bytes` is `null` for a record without a value (a tombstone). */
  decode(bytes: Buffer | null): T;
  /** The result refers to `bytes`, so their memory must stay. */
  readonly keepsBytes?: boolean;
}

/** Turns values into bytes; a throw is reported as `SERIALIZATION_FAILED`. */
export interface Serializer<in T> {
  encode(value: T): Buffer | null;
}

export interface Serde<in out T> extends Deserializer<T>, Serializer<T> {}

const present = (bytes: Buffer | null, serde: string): Buffer => {
  if (bytes === null) throw new TypeError(`the record has no value; use nullable(${serde}) where tombstones occur`);
  return bytes;
};

/** UTF-8 text. */
export const string = (): Serde<string> => ({
  decode: (bytes) => present(bytes, "string()").toString("utf8"),
  encode: (value) => Buffer.from(value, "utf8"),
});

/** The bytes as they are. */
export const bytes = (): Serde<Buffer> => ({
  decode: (value) => present(value, "bytes()"),
  encode: (value) => value,
  keepsBytes: true,
});

/** Lets `null` through, as the tombstone it is. */
export const nullable = <T>(serde: Serde<T>): Serde<T | null> => ({
  decode: (value) => (value === null ? null : serde.decode(value)),
  encode: (value) => (value === null ? null : serde.encode(value)),
  keepsBytes: serde.keepsBytes ?? false,
});

const validated = <T>(schema: StandardSchemaV1<unknown, T>, value: unknown): T => {
  const answer = schema["~standard"].validate(value);
  const later = promiseOf(answer);
  if (later) {
    // Nobody waits for it, so nobody else would hear that it rejects.
    later.catch(() => undefined);
    throw new TypeError("json() needs a schema that validates synchronously; validate asynchronously in a mapAsync");
  }
  const result = answer as StandardSchemaV1.Result<T>;
  if (result.issues) {
    const issues = result.issues.map((issue) => {
      const path = issue.path?.map((key) => String(typeof key === "object" ? key.key : key)).join(".");
      return path === undefined || path === "" ? issue.message : `${path}: ${issue.message}`;
    });
    throw new TypeError(issues.join("; "));
  }
  return result.value;
};

/**
 * JSON text, checked on the way in by any Standard Schema (zod, valibot, arktype); without a schema the value is `unknown`.
 * Values are written as they are: their type was checked by the compiler.
 */
export const json: {
  <T>(schema: StandardSchemaV1<unknown, T>): Serde<T>;
  (): Serde<unknown>;
} = <T>(schema?: StandardSchemaV1<unknown, T>): Serde<T> => ({
  decode: (value) => {
    const parsed: unknown = JSON.parse(present(value, "json()").toString("utf8"));
    return schema ? validated(schema, parsed) : (parsed as T);
  },
  encode: (value) => {
    const text = JSON.stringify(value) as string | undefined;
    if (text === undefined) throw new TypeError("the value has no JSON form");
    return Buffer.from(text, "utf8");
  },
});

/** What `attempt` decodes to. */
export type Attempt<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: unknown; readonly bytes: Buffer | null };

/** Turns a failure to decode into a value, so that a poison record flows on and can be passed through or parked. */
export const attempt = <T>(deserializer: Deserializer<T>): Deserializer<Attempt<T>> => ({
  decode: (value) => {
    try {
      return { ok: true, value: deserializer.decode(value) };
    } catch (error) {
      return { ok: false, error, bytes: value };
    }
  },
  keepsBytes: true,
});
