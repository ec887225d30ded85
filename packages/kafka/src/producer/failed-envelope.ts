import type { Unfinished } from "@millrace/streams/stage";
import { KafkaConnectorError } from "../errors/errors.js";
import type { ProducerFailure, ProducerRecord } from "../records/messages.js";

/** An envelope with a failed record. Taking it for a result throws, before an offset is committed. */
export class FailedEnvelope<out K, out V, out P> implements ProducerFailure<K, V, P>, Unfinished {
  readonly error: Error;
  readonly record: ProducerRecord<K, V>;
  readonly failed: readonly ProducerRecord<K, V>[];
  readonly unfinished: P;

  constructor(error: Error, failed: readonly ProducerRecord<K, V>[], record: ProducerRecord<K, V>, unfinished: P) {
    this.error = error;
    this.record = record;
    this.failed = failed;
    this.unfinished = unfinished;
  }

  get passThrough(): never {
    throw this["~unfinished"]();
  }

  "~unfinished"(): KafkaConnectorError {
    return new KafkaConnectorError(
      "UNHANDLED_FAILURE",
      `A record for ${this.record.topic} was not sent, and its failure was about to be taken for a result, which would have committed the offset it comes from. Behind failures: "element", recognise failures by isProducerFailure and send what they name again or to another topic, with failure.unfinished as its pass-through; or leave the setting out, and the failure fails the stream.`,
      { cause: this.error },
    );
  }
}
