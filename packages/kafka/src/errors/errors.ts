import { acrossCopies, jsonOf } from "@millrace/streams/stage";

/** Every code a `KafkaConnectorError` can carry. */
export type KafkaErrorCode =
  | "INVALID_SETTINGS"
  | "GROUP_ID_MISSING"
  | "AUTO_COMMIT_REFUSED"
  | "INVALID_RECORD"
  | "DESERIALIZATION_FAILED"
  /** A record cannot be decoded now, and is not to blame; it is decoded again later. */
  | "DECODER_UNAVAILABLE"
  | "SERIALIZATION_FAILED"
  | "CONNECT_FAILED"
  /** The token provider of `security.sasl` failed, or returned no valid token. */
  | "TOKEN_FAILED"
  | "POLL_FAILED"
  /** Records are compressed by a codec that the client was built without. */
  | "CODEC_MISSING"
  | "COMMIT_FAILED"
  | "COMMIT_TIMEOUT"
  /** Offsets may get lost or out of order on the way to the committer; the error carries the hazards. */
  | "UNSAFE_GRAPH"
  /** A committer was given an offset after a higher one of the same partition; it does not commit it. */
  | "OFFSET_REORDERED"
  /** A committer was given something that is no offset. */
  | "NOT_COMMITTABLE"
  /** A record that was not sent reached an end that would have committed its offset. */
  | "UNHANDLED_FAILURE"
  /** A dead letter is larger than its topic takes, though it says nothing of the failure any more. */
  | "DEAD_LETTER_TOO_LARGE"
  /** An attempt of a handler took longer than its policy allows. */
  | "HANDLER_TIMEOUT"
  | "CONSUMER_CLOSED"
  /** A drain left records unfinished or uncommitted; the error carries the report. */
  | "DRAIN_INCOMPLETE"
  | "PRODUCE_FAILED"
  | "FLUSH_TIMEOUT"
  /** A rebalance listener threw, or the client refused the partitions; they are given up or taken all the same. */
  | "REBALANCE_FAILED"
  | "PRODUCER_CLOSED"
  /** More sends wait than the sender may hold. */
  | "SEND_QUEUE_FULL"
  /** Another producer has the same `transactional.id`, or the transaction outlived its timeout: close this one. */
  | "PRODUCER_FENCED"
  /** The transaction cannot be committed; abort it and begin another. */
  | "TRANSACTION_ABORTABLE"
  /** Where it is retriable the outcome is unknown until the same call is made again. */
  | "TRANSACTION_FAILED"
  /** `close` gave up waiting; its message says for what. */
  | "CLOSE_TIMEOUT"
  /** The source of one assignment was run twice. */
  | "SOURCE_REUSED"
  /** Another source of the same shared consumer reads the partition. */
  | "ALREADY_ASSIGNED"
  /** A partition could not be read from elsewhere; where it is retriable nothing has changed. */
  | "SEEK_FAILED"
  /** A restarting graph failed more often than `maxRestarts`; `cause` is its last failure. */
  | "RESTARTS_EXHAUSTED"
  /** There is no such topic, or there cannot be one of this name. */
  | "TOPIC_NOT_FOUND"
  | "TOPIC_EXISTS"
  /** The topic has fewer partitions. */
  | "PARTITION_NOT_FOUND"
  /** Positions of a group can be set only while it has no members. */
  | "GROUP_NOT_EMPTY"
  /** The brokers refused to change a topic, or did not answer; `clientCode` says which. */
  | "ADMIN_FAILED"
  /** A metadata or admin client was closed before. */
  | "CLIENT_CLOSED"
  /** A partition's offset went backwards under one assignment; those records were not delivered. */
  | "OFFSET_RESET"
  /** The connection checker got no answer from a broker, too often in a row. */
  | "KAFKA_CONNECTION_FAILED"
  | "CLIENT_FAILED";

/** Why a call failed, the same for every client, for programs to decide by; `code` says what failed. */
export type KafkaErrorReason =
  /** There was no answer in time. */
  | "timedOut"
  /** The connection to a broker is gone. */
  | "disconnected"
  /** No broker is reached. */
  | "brokersDown"
  /** The coordinator of the group is loading, missing or elsewhere. */
  | "coordinatorUnavailable"
  /** The group has left the member's generation behind, or does not know the member. */
  | "rebalanced"
  /** The group rebalances. */
  | "rebalancing"
  /** Another member has replaced this one, by its `group.instance.id`. */
  | "memberFenced"
  /** Another member has the `group.instance.id`, possibly a dead one whose session has not ended. */
  | "memberUnreleased"
  /** Another producer has the `transactional.id`, or the transaction outlived its timeout. */
  | "producerFenced"
  /** The metadata of a commit is larger than the broker's `offset.metadata.max.bytes`. */
  | "metadataTooLarge"
  /** An open transaction holds the position. */
  | "positionHeld"
  /** The record is larger than the client or the broker takes. */
  | "tooLarge"
  /** There is no such topic or partition. */
  | "notFound";

export interface KafkaErrorOptions {
  readonly reason?: KafkaErrorReason | undefined;
  /** The client's numeric code where there is one, for example -185 for a timed-out request. */
  readonly clientCode?: number | undefined;
  /** The same call may succeed when repeated. */
  readonly retriable?: boolean;
  /** The client that reported it is of no further use. */
  readonly fatal?: boolean;
  readonly cause?: unknown;
}

/** What every Millrace Kafka call fails with; `code` is for programs, `message` says what to do next. */
export class KafkaConnectorError extends Error {
  static {
    acrossCopies(this, "KafkaConnectorError");
  }

  override readonly name: string = "KafkaConnectorError";
  readonly code: KafkaErrorCode;
  /** Why, where programs may decide by that. */
  readonly reason: KafkaErrorReason | undefined;
  readonly clientCode: number | undefined;
  readonly retriable: boolean;
  readonly fatal: boolean;

  constructor(code: KafkaErrorCode, message: string, options: KafkaErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.reason = options.reason;
    this.clientCode = options.clientCode;
    this.retriable = options.retriable ?? false;
    this.fatal = options.fatal ?? false;
  }

  /** For loggers that write JSON, to which an error is `{}`. */
  toJSON(): Readonly<Record<string, unknown>> {
    const { code, reason, clientCode, retriable, fatal } = this;
    return jsonOf(this, { code, reason, clientCode, retriable, fatal });
  }
}

/** Whether it failed for one of these reasons. */
export const failedBy = (error: unknown, ...reasons: readonly KafkaErrorReason[]): boolean =>
  error instanceof KafkaConnectorError && error.reason !== undefined && reasons.includes(error.reason);

/** Whether the client that reported it has ended. */
export const isFatal = (error: unknown): boolean => error instanceof KafkaConnectorError && error.fatal;
