import type { DeadLetter, DeadLetterError, DeadLetterSource } from "./dead-letter.js";
import type { HeaderValues } from "./header-values.js";

const DEAD = "dead-letter-";
const LATER = "delayed-retry-";

/** From the last failure to the first: SmallRye puts its headers in front of those that are there. */
const sourcesOf = (headers: HeaderValues, prefix: string): readonly DeadLetterSource[] => {
  const partitions = headers.decimals(`${prefix}partition`);
  const offsets = headers.decimals(`${prefix}offset`);
  return headers.texts(`${prefix}topic`).map((topic, index) => ({
    ...{ topic, partition: partitions[index], offset: offsets[index], timestamp: undefined, group: undefined },
  }));
};

const partOf = (headers: HeaderValues): DeadLetterError["part"] => {
  if (!headers.has("deserialization-failure-deserializer")) return undefined;
  return headers.has("deserialization-failure-key") ? "key" : "value";
};

const errorOf = (headers: HeaderValues, prefix: string): DeadLetterError => {
  const classes = headers.texts(`${prefix}cause-class-name`);
  const causes = headers.texts(`${prefix}cause`);
  // Which of the failures had one is not known where not all did.
  const isNewest = classes.length === headers.texts(`${prefix}topic`).length;
  return {
    name: headers.texts(`${prefix}exception-class-name`)[0],
    message: headers.texts(`${prefix}reason`)[0],
    cause: isNewest ? `${classes[0]}${causes.length === classes.length ? `: ${causes[0]}` : ""}` : undefined,
    stack: undefined,
    part: partOf(headers),
  };
};

/** As SmallRye Reactive Messaging writes them: to a dead-letter topic, and to topics for delayed retries. */
export const readSmallRye = (headers: HeaderValues): DeadLetter | undefined => {
  const history = [...sourcesOf(headers, DEAD), ...sourcesOf(headers, LATER)];
  const first = history.at(-1);
  if (!first) return undefined;
  const original = { ...first, timestamp: headers.decimals(`${LATER}original-timestamp`)[0] };
  const retries = headers.decimals(`${LATER}count`)[0];
  const error = errorOf(headers, headers.has(`${DEAD}topic`) ? DEAD : LATER);
  return {
    dialect: "smallrye",
    original,
    error,
    attempts: retries === undefined ? undefined : retries + 1,
    history: [...history.slice(0, -1), original],
    // Where the key cannot be decoded, its bytes are written in place of the value's.
    valueLost: error.part === "key",
  };
};
