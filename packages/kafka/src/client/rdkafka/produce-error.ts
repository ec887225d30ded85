import type { KafkaConnectorError } from "../../errors/errors.js";
import { codeOf, connectorError } from "./error-codes.js";
import { CODE } from "../codes.js";

/** The record itself is at fault: sending it again cannot help. */
const INVALID: ReadonlySet<number> = new Set([
  CODE.invalidArgument,
  CODE.unknownPartition,
  CODE.unknownTopic,
  CODE.messageTooLarge,
]);

/** What the binding threw for a record. */
export function produceError(topic: string, error: unknown): KafkaConnectorError {
  const code = codeOf(error);
  if (code !== undefined && INVALID.has(code))
    return connectorError("INVALID_RECORD", `A record for ${topic} can never be sent`, error);
  return connectorError("PRODUCE_FAILED", `The client refused a record for ${topic}`, error);
}
