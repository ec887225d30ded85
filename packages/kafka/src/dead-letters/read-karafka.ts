import type { DeadLetter } from "./dead-letter.js";
import type { HeaderValues } from "./header-values.js";

const NOTHING = { name: undefined, message: undefined, cause: undefined, stack: undefined, part: undefined };

/** As Karafka writes them; it says nothing of the failure. */
export const readKarafka = (headers: HeaderValues): DeadLetter | undefined => {
  const topic = headers.texts("source_topic").at(-1);
  if (topic === undefined) return undefined;
  const original = {
    topic,
    partition: headers.decimals("source_partition").at(-1),
    offset: headers.decimals("source_offset").at(-1),
    timestamp: undefined,
    group: headers.texts("source_consumer_group").at(-1),
  };
  const attempts = headers.decimals("source_attempts").at(-1);
  return { dialect: "karafka", original, error: NOTHING, attempts, history: [original], valueLost: false };
};
