import type { DeserializationError } from "../errors/deserialization-error.js";
import type { CommittableOffset } from "../offsets/committable-offset.js";
import type { UndecodableSetting } from "../settings/undecodable-settings.js";
import type { CommittableMessage, ConsumerRecord } from "./messages.js";

/** A record that could not be decoded, of a source with `undecodable: "element"`. */
export interface UndecodableRecord extends Omit<ConsumerRecord<never, never>, "key" | "value"> {
  readonly failure: {
    /** The first part that could not be decoded. */
    readonly part: "key" | "value";
    /** Its `cause` is what the serde threw. */
    readonly error: DeserializationError;
  };
  /** As the record has them. They may be handed on, or produced elsewhere. */
  readonly raw: { readonly key: Buffer | null; readonly value: Buffer | null };
}

/** A record that could not be decoded, with the offset that finishes it. */
export interface UndecodableMessage {
  readonly record: UndecodableRecord;
  readonly offset: CommittableOffset;
}

/** What a source emits: records and, with `undecodable: "element"`, those that could not be decoded. */
export type ReadRecord<K, V, U extends UndecodableSetting> =
  | ConsumerRecord<K, V>
  | ("element" extends U ? UndecodableRecord : never);

/** The same with the offset that finishes each. */
export type ReadMessage<K, V, U extends UndecodableSetting> =
  | CommittableMessage<K, V>
  | ("element" extends U ? UndecodableMessage : never);

/**
 * Distinguishes a record that could not be decoded from any other of a source with `undecodable: "element"`.
 *
 * @example
 * .collect((record) => (isUndecodable(record) ? record : undefined))
 */
export const isUndecodable = (
  record: ConsumerRecord<unknown, unknown> | UndecodableRecord,
): record is UndecodableRecord => "failure" in record;
