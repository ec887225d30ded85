import type { DeadLetter, DeadLetterError } from "./dead-letter.js";
import type { HeaderValues } from "./header-values.js";

const partOf = (text: string | undefined): DeadLetterError["part"] =>
  text === "key" || text === "value" ? text : undefined;

/** As Millrace writes them with `headers: "plain"`. */
export const readPlain = (headers: HeaderValues): DeadLetter | undefined => {
  const last = (name: string): string | undefined => headers.texts(`millrace-${name}`).at(-1);
  const number = (name: string): number | undefined => headers.decimals(`millrace-${name}`).at(-1);
  const topic = last("original-topic");
  if (topic === undefined) return undefined;
  const original = {
    topic,
    partition: number("original-partition"),
    offset: number("original-offset"),
    timestamp: number("original-timestamp"),
    group: last("original-group"),
  };
  const error = {
    name: last("error-name"),
    message: last("error-message"),
    cause: last("error-cause"),
    stack: last("error-stack"),
    part: partOf(last("error-part")),
  };
  return { dialect: "plain", original, error, attempts: number("attempts"), history: [original], valueLost: false };
};
