import { KafkaConnectorError } from "../../errors/errors.js";
import { nearestName, unlikeName } from "../nearest-name.js";
import type { ClientProperties } from "../port.js";
import { KNOWN_PROPERTIES } from "./known-properties.js";

/** The known name that is most like it, `maxPollIntervalMs` like `max.poll.interval.ms`; none where none is near. */
const nearest = (name: string): string | undefined =>
  nearestName(name.replace(/[A-Z]/g, (letter) => `.${letter.toLowerCase()}`).replaceAll("_", "."), KNOWN_PROPERTIES);

/** Refuses properties that librdkafka does not know, and says which one may have been meant. */
export function checkProperties(properties: ClientProperties, call: string): void {
  const unknown = Object.keys(properties).filter((key) => !KNOWN_PROPERTIES.has(key));
  if (unknown.length === 0) return;
  const lines = unknown.map((key) => {
    const meant = nearest(key);
    return meant === undefined ? unlikeName(key) : `\`${key}\` (did you mean \`${meant}\`?)`;
  });
  throw new KafkaConnectorError(
    "INVALID_SETTINGS",
    `${call}: librdkafka has no such propert${unknown.length === 1 ? "y" : "ies"}: ${lines.join(", ")}. Correct or remove ${unknown.length === 1 ? "it" : "them"}.`,
  );
}
