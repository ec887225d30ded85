import type { Headers } from "../client/port.js";
import type { DeadLetter, DeadLetterDialect } from "./dead-letter.js";
import { HeaderValues } from "./header-values.js";
import { readConnect } from "./read-connect.js";
import { readKarafka } from "./read-karafka.js";
import { readPlain } from "./read-plain.js";
import { readSmallRye } from "./read-smallrye.js";
import { readSpring } from "./read-spring.js";

const READERS: ReadonlyMap<string, (headers: HeaderValues) => DeadLetter | undefined> = new Map([
  ["kafka_dlt-original-topic", readSpring],
  ["kafka_original-topic", readSpring],
  ["dead-letter-topic", readSmallRye],
  ["delayed-retry-topic", readSmallRye],
  ["__connect.errors.topic", readConnect],
  ["source_topic", readKarafka],
  ["millrace-original-topic", readPlain],
] satisfies readonly (readonly [
  string,
  (headers: HeaderValues) => { readonly dialect: DeadLetterDialect } | undefined,
])[]);

/**
 * What the headers of a dead letter say of it: where the record came from, how often it was tried, what it failed with.
 * Understands Spring Kafka (recoverers and `@RetryableTopic`), SmallRye (dead-letter and delayed-retry topics), Kafka Connect,
 * Karafka, and what Millrace writes with `headers: "plain"`, by the first header that one of them writes; `undefined` for a record that none of them has written. Never
 * throws: what a header should say and does not is `undefined`. Numbers of Spring are bytes, those of the others text.
 *
 * @example
 * committableSource({ kafka, topics: ["orders-dlt"], key: string() })
 *   .map(({ record, offset }) => {
 *     const letter = readDeadLetter(record);
 *     console.log(letter?.original.topic, letter?.original.offset, letter?.error.message);
 *     return offset;
 *   })
 *   .toMat(committerSink(), DrainingControl.from);
 */
export const readDeadLetter = (record: { readonly headers: Headers }): DeadLetter | undefined => {
  const known = record.headers.find(([name, value]) => value !== null && READERS.has(name));
  return known && READERS.get(known[0])?.(new HeaderValues(record.headers));
};
