import { acrossCopies } from "@millrace/streams/stage";
import { KafkaConnectorError } from "./errors.js";

/** The connection checker got no answer too often in a row; `cause` is the last failure. */
export class ConnectionFailedError extends KafkaConnectorError {
  static {
    acrossCopies(this, "ConnectionFailedError");
  }

  override readonly name: string = "ConnectionFailedError";
  /** Failures in a row, the first included. */
  readonly attempts: number;

  constructor(attempts: number, cause: unknown) {
    super(
      "KAFKA_CONNECTION_FAILED",
      `No broker has described the cluster, ${attempts} times in a row. Check that the brokers are up and that \`brokers\` names them, then restart the stream; it goes on where it had committed.`,
      { cause, fatal: true },
    );
    this.attempts = attempts;
  }
}
