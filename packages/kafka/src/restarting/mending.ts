import { StreamError, type StreamErrorCode } from "@millrace/streams";
import { failedBy, KafkaConnectorError, type KafkaErrorCode, type KafkaErrorReason } from "../errors/errors.js";

type Code = KafkaErrorCode | StreamErrorCode;

/**
 * Whether a new graph, from the committed positions, may get past a failure with this code. It does not where the same
 * program would fail the same way; `lasting`: unless the error is fatal, as where a shared client's owner closed it.
 */
export const MENDS: Readonly<Record<Code, boolean | "lasting">> = {
  // The program, its settings, and records that are read again as they are.
  INVALID_SETTINGS: false,
  GROUP_ID_MISSING: false,
  AUTO_COMMIT_REFUSED: false,
  UNSAFE_GRAPH: false,
  UNHANDLED_FAILURE: false,
  NOT_COMMITTABLE: false,
  OFFSET_REORDERED: false,
  INVALID_RECORD: false,
  DESERIALIZATION_FAILED: false,
  DEAD_LETTER_TOO_LARGE: false,
  CODEC_MISSING: false,
  SERIALIZATION_FAILED: false,
  SOURCE_REUSED: false,
  INVALID_ARGUMENT: false,
  DECIDER_FAILED: false,
  ITERATED_FROM_INSIDE: false,
  NOT_A_SOURCE: false,
  NO_SUCH_BRANCH: false,
  INCOMPATIBLE_COPIES: false,
  INVARIANT_VIOLATION: false,
  DELIVERY_VIOLATED: false,
  // Somebody else has this id, and would be fenced in turn.
  PRODUCER_FENCED: false,
  // What the graph is given from outside has been closed, or is there already.
  CONSUMER_CLOSED: "lasting",
  PRODUCER_CLOSED: "lasting",
  CLIENT_CLOSED: false,
  TOPIC_EXISTS: false,
  // It has been tried again before.
  RESTARTS_EXHAUSTED: false,
  // Brokers, networks and time.
  DECODER_UNAVAILABLE: true,
  HANDLER_TIMEOUT: true,
  CONNECT_FAILED: true,
  TOKEN_FAILED: true,
  POLL_FAILED: true,
  COMMIT_FAILED: true,
  COMMIT_TIMEOUT: true,
  PRODUCE_FAILED: true,
  FLUSH_TIMEOUT: true,
  REBALANCE_FAILED: true,
  SEND_QUEUE_FULL: true,
  TRANSACTION_ABORTABLE: true,
  TRANSACTION_FAILED: true,
  CLOSE_TIMEOUT: true,
  ALREADY_ASSIGNED: true,
  SEEK_FAILED: true,
  TOPIC_NOT_FOUND: true,
  PARTITION_NOT_FOUND: true,
  GROUP_NOT_EMPTY: true,
  ADMIN_FAILED: true,
  OFFSET_RESET: true,
  DRAIN_INCOMPLETE: true,
  KAFKA_CONNECTION_FAILED: true,
  CLIENT_FAILED: true,
  EMPTY_STREAM: true,
  TOO_MANY_SUBSTREAMS: true,
  BUFFER_OVERFLOW: true,
  RATE_EXCEEDED: true,
};

/** Another member has the same `group.instance.id`, or another producer the same `transactional.id`. */
const FENCED: readonly KafkaErrorReason[] = ["producerFenced", "memberFenced", "memberUnreleased"];

/** Whether a restart may mend it; what user code throws may. */
export const mayMend = (failure: unknown): boolean => {
  if (failure instanceof KafkaConnectorError) {
    if (failedBy(failure, ...FENCED)) return false;
    const mends = MENDS[failure.code];
    return mends === "lasting" ? !failure.fatal : mends;
  }
  return !(failure instanceof StreamError) || MENDS[failure.code] === true;
};
