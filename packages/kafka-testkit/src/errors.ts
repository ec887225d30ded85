/**
 * - `NO_KAFKA`: no way to run a real Kafka was found; the message lists why each one was refused.
 * - `START_FAILED`: a cluster or a broker did not come up; the message ends with its last lines of output.
 * - `DOWNLOAD_FAILED`, `CHECKSUM_MISMATCH`: Kafka's jars could not be fetched, or are not the ones expected.
 * - `REQUEST_FAILED`: the cluster refused or did not answer; `cause` is the client's error.
 * - `NOT_SUPPORTED`: this kind of cluster cannot do that.
 */
export type KafkaTestkitErrorCode =
  | "NO_KAFKA"
  | "START_FAILED"
  | "DOWNLOAD_FAILED"
  | "CHECKSUM_MISMATCH"
  | "REQUEST_FAILED"
  | "NOT_SUPPORTED";

/** What every call of this package fails with; `code` is for programs, `message` says what to do next. */
export class KafkaTestkitError extends Error {
  override readonly name: string = "KafkaTestkitError";
  readonly code: KafkaTestkitErrorCode;

  constructor(code: KafkaTestkitErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}
