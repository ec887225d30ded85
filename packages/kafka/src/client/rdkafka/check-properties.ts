import { KafkaConnectorError } from "../../errors.js";
import type { ClientProperties } from "../port.js";
import { KNOWN_PROPERTIES } from "./known-properties.js";

/** With more than this part of its letters changed a name is another one. */
const NEAR = 1 / 3;

/** Letters to add, remove or change to make one of the other. */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
};

/** The known name that is most like it, `maxPollIntervalMs` like `max.poll.interval.ms`; none where none is near. */
const nearest = (name: string): string | undefined => {
  const dotted = name.replace(/[A-Z]/g, (letter) => `.${letter.toLowerCase()}`).replaceAll("_", ".");
  let best: { readonly name: string; readonly distance: number } | undefined;
  for (const known of KNOWN_PROPERTIES) {
    const far = distance(dotted, known);
    if (far <= dotted.length * NEAR && far < (best?.distance ?? Number.POSITIVE_INFINITY))
      best = { name: known, distance: far };
  }
  return best?.name;
};

/** Refuses properties that librdkafka does not know, and says which one may have been meant. */
export function checkProperties(properties: ClientProperties, call: string): void {
  const unknown = Object.keys(properties).filter((key) => !KNOWN_PROPERTIES.has(key));
  if (unknown.length === 0) return;
  const lines = unknown.map((key) => {
    const meant = nearest(key);
    return meant === undefined ? `\`${key}\`` : `\`${key}\` (did you mean \`${meant}\`?)`;
  });
  throw new KafkaConnectorError(
    "INVALID_SETTINGS",
    `${call}: librdkafka has no propert${unknown.length === 1 ? "y" : "ies"} ${lines.join(", ")}. Correct or remove ${unknown.length === 1 ? "it" : "them"}.`,
  );
}
