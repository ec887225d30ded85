import type { DeadLetter, DeadLetterError } from "./dead-letter.js";
import type { HeaderValues } from "./header-values.js";

const PREFIX = "__connect.errors.";

const PARTS: Readonly<Record<string, DeadLetterError["part"]>> = { KEY_CONVERTER: "key", VALUE_CONVERTER: "value" };

/** As Kafka Connect writes them, with `errors.deadletterqueue.context.headers.enable`. */
export const readConnect = (headers: HeaderValues): DeadLetter | undefined => {
  const last = (name: string): string | undefined => headers.texts(`${PREFIX}${name}`).at(-1);
  const topic = last("topic");
  if (topic === undefined) return undefined;
  const connector = last("connector.name");
  const original = {
    topic,
    partition: headers.decimals(`${PREFIX}partition`).at(-1),
    offset: headers.decimals(`${PREFIX}offset`).at(-1),
    timestamp: undefined,
    group: connector === undefined ? undefined : `connect-${connector}`,
  };
  const error = {
    name: last("exception.class.name"),
    message: last("exception.message"),
    cause: undefined,
    stack: last("exception.stacktrace"),
    part: PARTS[last("stage") ?? ""],
  };
  return { dialect: "connect", original, error, attempts: undefined, history: [original], valueLost: false };
};
