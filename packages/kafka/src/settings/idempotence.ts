import type { ClientProperties } from "../client/port.js";
import { KafkaConnectorError } from "../errors/errors.js";

/** Properties that break the promise of an idempotent producer, and what each would mean. */
const RULES: readonly {
  /** All that librdkafka takes for the same property. */
  readonly names: readonly string[];
  readonly allows: (value: string) => boolean;
  readonly meaning: string;
}[] = [
  {
    names: ["acks", "request.required.acks"],
    allows: (value) => value === "all" || value === "-1",
    meaning: "a record may be reported as stored and be lost with its leader",
  },
  {
    names: ["max.in.flight", "max.in.flight.requests.per.connection"],
    allows: (value) => Number(value) <= 5,
    meaning: "retries may change the order of records",
  },
  {
    names: ["retries", "message.send.max.retries"],
    allows: (value) => Number(value) >= 1,
    meaning: "the first hiccup of a broker fails records",
  },
  { names: ["queuing.strategy"], allows: (value) => value !== "lifo", meaning: "later records overtake earlier ones" },
];

const isOff = (value: string | number | boolean): boolean => ["false", "f", "0"].includes(String(value).toLowerCase());

/**
 * The properties of a producer whose retries neither repeat nor reorder records, unless they say plainly that they may.
 * Properties that contradict it are refused: taking them for a wish to give it up would be silent.
 */
export const idempotent = (properties: ClientProperties, call: string): ClientProperties => {
  const asked = properties["enable.idempotence"];
  const transactional = properties["transactional.id"] !== undefined;
  if (asked !== undefined && isOff(asked)) {
    if (!transactional) return properties;
    throw new KafkaConnectorError(
      "INVALID_SETTINGS",
      `${call}: transactions need an idempotent producer. Remove enable.idempotence, or transactional.id.`,
    );
  }
  for (const { names, allows, meaning } of RULES) {
    const name = names.find(
      (each) => properties[each] !== undefined && !allows(String(properties[each]).toLowerCase()),
    );
    if (name === undefined) continue;
    const otherwise = transactional ? "" : `, or set enable.idempotence to false and accept that ${meaning}`;
    throw new KafkaConnectorError(
      "INVALID_SETTINGS",
      `${call}: ${name}=${properties[name]} contradicts enable.idempotence, which is on by default. Remove it${otherwise}.`,
    );
  }
  return { ...properties, "enable.idempotence": true };
};
