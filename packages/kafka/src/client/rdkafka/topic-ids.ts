import type { ClientProperties, ConsumerListener } from "../port.js";
import type { NativeConsumer } from "./native.js";

/** librdkafka reports the ids of topics only in its log, in this debug context. */
const CONTEXT = "metadata";
const COVERING: readonly string[] = [CONTEXT, "topic", "all"];

/** An id of zeros: the topic was not known before. */
const UNKNOWN = "AAAAAAAAAAAAAAAAAAAAAA";

const CHANGED = /Topic (\S+) changed id from (\S+) to \S+/;

/** The properties of a client that logs when the id of a topic changes, beside what the user has it log. */
export const tellingTopicIds = (properties: ClientProperties): ClientProperties => {
  const debug = String(properties["debug"] ?? "");
  const contexts = debug.split(",").filter((context) => context !== "");
  if (contexts.some((context) => COVERING.includes(context))) return properties;
  return { ...properties, debug: [...contexts, CONTEXT].join(",") };
};

/** Notifies the listener of topics that were made again. */
export const hearRemadeTopics = (
  native: Pick<NativeConsumer, "on">,
  listener: Pick<ConsumerListener, "onTopicRemade">,
): void => {
  native.on("event.log", ({ message }) => {
    const [, topic, before] = CHANGED.exec(message) ?? [];
    if (topic !== undefined && before !== UNKNOWN) listener.onTopicRemade?.(topic);
  });
};
