import { acrossCopies } from "@millrace/streams/stage";
import { KafkaConnectorError } from "./errors.js";

/** A record could not be decoded; `cause` is what its serde threw. */
export class DeserializationError extends KafkaConnectorError {
  static {
    acrossCopies(this, "DeserializationError");
  }

  override readonly name: string = "DeserializationError";
  /** The first part that could not be decoded. */
  readonly part: "key" | "value";

  constructor(part: "key" | "value", message: string, cause: unknown) {
    super("DESERIALIZATION_FAILED", message, { cause });
    this.part = part;
  }
}
