import type { ClientProperties, KafkaDriver } from "../client/port.js";
import { KafkaConnectorError } from "../errors/errors.js";
import { idempotent } from "./idempotence.js";
import { parse, reach } from "./parse.js";
import { type ProducerBounds, producerSchema } from "./producer-settings.js";
import { withQueue } from "./queue-bytes.js";

/** How to make a client. */
export interface OwnClient {
  /** Without secrets, which `driver` adds. */
  readonly properties: ClientProperties;
  readonly driver: KafkaDriver;
}

export interface ParsedProducer extends ProducerBounds {
  /** Absent where the producer uses that of another one. */
  readonly client: OwnClient | undefined;
}

/** Settings that only some producers have. */
const OWN = ["failures", "maxWaiting", "maxWaitingBytes"] as const;

/** `own` names those of them that this one has. */
export const parseProducer = (
  settings: unknown,
  call: string,
  own: readonly (typeof OWN)[number][] = [],
): ParsedProducer => {
  const parsed = parse(producerSchema, settings, call);
  const foreign = OWN.find((key) => !own.includes(key) && key in (settings as object));
  if (foreign !== undefined) {
    throw new KafkaConnectorError("INVALID_SETTINGS", `${call} has no setting ${foreign}. Remove it.`);
  }
  const { kafka, parallelism, maxInFlightBytes, failures, maxWaiting, maxWaitingBytes } = parsed;
  const bounds = { parallelism, maxInFlightBytes, failures, maxWaiting, maxWaitingBytes };
  if (kafka === undefined) return { client: undefined, ...bounds };
  const { properties, driver } = reach(kafka, parsed.properties, call);
  return { client: { properties: withQueue(idempotent(properties, call), maxInFlightBytes), driver }, ...bounds };
};
