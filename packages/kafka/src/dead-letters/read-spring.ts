import type { DeadLetter, DeadLetterError, DeadLetterSource } from "./dead-letter.js";
import type { HeaderValues } from "./header-values.js";

/** Of records in retry topics, and of those that come from them; then of dead letters of a recoverer. */
const FAMILIES = ["kafka_original", "kafka_dlt-original"];

/** From the first failure to the last: Spring adds its headers behind those that are there. */
const sourcesOf = (headers: HeaderValues): readonly DeadLetterSource[] => {
  const groups = headers.texts("kafka_dlt-original-consumer-group");
  return FAMILIES.flatMap((family) => {
    const partitions = headers.integers(`${family}-partition`);
    const offsets = headers.integers(`${family}-offset`);
    const timestamps = headers.integers(`${family}-timestamp`);
    return headers.texts(`${family}-topic`).map((topic, index) => ({
      ...{ topic, partition: partitions[index], offset: offsets[index], timestamp: timestamps[index] },
    }));
  }).map((source, index) => ({ ...source, group: groups[index] }));
};

/** Exceptions of a failure before are replaced; the key's stand beside the value's where neither could be decoded. */
const errorOf = (headers: HeaderValues): DeadLetterError => {
  const last = (name: string): string | undefined => headers.texts(name).at(-1);
  const isRecovered = headers.has("kafka_dlt-exception-fqcn") || headers.has("kafka_dlt-key-exception-fqcn");
  const prefix = isRecovered ? "kafka_dlt-" : "kafka_";
  const ofKey = headers.has(`${prefix}key-exception-fqcn`);
  const family = `${prefix}${ofKey ? "key-" : ""}exception`;
  const thrown = last(`${family}-fqcn`);
  const ofValue = thrown?.endsWith(".DeserializationException") ? "value" : undefined;
  return {
    // The exception itself is always that of the container.
    name: last(`${prefix}exception-cause-fqcn`) ?? thrown,
    message: last(`${family}-message`),
    cause: undefined,
    stack: last(`${family}-stacktrace`),
    part: ofKey ? "key" : ofValue,
  };
};

/** The header has the number of the next attempt. */
const attemptsOf = (headers: HeaderValues): number | undefined => {
  const next = headers.integers("retry_topic-attempts").at(-1);
  return next === undefined ? headers.integers("kafka_deliveryAttempt").at(-1) : next - 1;
};

/** As Spring Kafka writes them: by a `DeadLetterPublishingRecoverer`, and by `@RetryableTopic`. */
export const readSpring = (headers: HeaderValues): DeadLetter | undefined => {
  const sources = sourcesOf(headers);
  const [original] = sources;
  return (
    original && {
      dialect: "spring",
      original,
      error: errorOf(headers),
      attempts: attemptsOf(headers),
      history: [...sources].reverse(),
      valueLost: false,
    }
  );
};
