import { acrossCopies } from "@millrace/streams/stage";
import { KafkaConnectorError } from "./errors.js";

/** When to decode again. */
export interface DecoderUnavailableOptions {
  /** The record is decoded again when it settles, either way, but not at once each time. Default: after 200 ms, up to 10 s. */
  readonly until?: PromiseLike<unknown>;
  readonly cause?: unknown;
}

/**
 * A deserializer throws it where it cannot decode now and the record is not to blame, as where a schema registry cannot be
 * reached. The source holds that partition back and decodes the record again later; meanwhile it is not ready.
 *
 * @example
 * const value: Deserializer<Order> = {
 *   decode: (bytes) => {
 *     const schema = schemas.get(bytes);
 *     if (!schema) throw new DecoderUnavailableError("the schema is being fetched", { until: schemas.fetch(bytes) });
 *     return schema.read(bytes);
 *   },
 * };
 */
export class DecoderUnavailableError extends KafkaConnectorError {
  static {
    acrossCopies(this, "DecoderUnavailableError");
  }

  override readonly name: string = "DecoderUnavailableError";
  readonly until: PromiseLike<unknown> | undefined;

  constructor(message: string, { until, cause }: DecoderUnavailableOptions = {}) {
    super("DECODER_UNAVAILABLE", message, { cause, retriable: true });
    this.until = until;
  }
}
