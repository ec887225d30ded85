import type { ClientProperties } from "../port.js";

/**
 * Every property of librdkafka 2.12's topic table that a string, number or boolean can set. librdkafka would take them at
 * client level too, but node-rdkafka then replaces them all by the topic configuration it is given, silently.
 *
 * Left at client level although both tables list them: `enable.auto.commit` and `auto.commit.interval.ms`, whose topic
 * versions serve only the legacy consumer, and `compression.codec` / `compression.type`, which topics inherit. The value
 * `inherit` of `compression.codec` exists only at topic level and says what is the case without it.
 */
const TOPIC_LEVEL: ReadonlySet<string> = new Set([
  "request.required.acks",
  "acks",
  "request.timeout.ms",
  "message.timeout.ms",
  "delivery.timeout.ms",
  "queuing.strategy",
  "produce.offset.report",
  "partitioner",
  "compression.level",
  "auto.commit.enable",
  "auto.offset.reset",
  "offset.store.path",
  "offset.store.sync.interval.ms",
  "offset.store.method",
  "consume.callback.max.messages",
]);

export interface SplitProperties {
  readonly client: ClientProperties;
  readonly topic: ClientProperties;
}

/** Sends each property to the level at which node-rdkafka heeds it. */
export function splitProperties(properties: ClientProperties): SplitProperties {
  const client: Record<string, string | number | boolean> = {};
  const topic: Record<string, string | number | boolean> = {};
  for (const [key, value] of Object.entries(properties)) (TOPIC_LEVEL.has(key) ? topic : client)[key] = value;
  return { client, topic };
}
