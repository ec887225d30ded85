import type { ConsumerClient, TopicMetadata, TopicPartition } from "../client/port.js";
import { KafkaConnectorError } from "../errors/errors.js";
import type { Deadline } from "./deadline.js";

const LEGAL = /^(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}$/;

type Describing = Pick<ConsumerClient, "metadata">;

const noTopic = (topic: string): KafkaConnectorError =>
  LEGAL.test(topic)
    ? new KafkaConnectorError("TOPIC_NOT_FOUND", `There is no topic ${topic}. Create it, or correct its name.`, {
        retriable: true,
      })
    : new KafkaConnectorError(
        "TOPIC_NOT_FOUND",
        `No topic can be named ${JSON.stringify(topic)}. A name has 1 to 249 letters, digits, '.', '_' and '-'.`,
      );

/** Rejects with `TOPIC_NOT_FOUND`; a name that no topic can have is not asked for. */
export const topicOf = async (client: Describing, topic: string, deadline: Deadline): Promise<TopicMetadata> => {
  if (!LEGAL.test(topic)) throw noTopic(topic);
  const { topics } = await client.metadata(topic, deadline.left());
  const [found] = topics;
  if (!found) throw noTopic(topic);
  return found;
};

/** Rejects with `TOPIC_NOT_FOUND` or `PARTITION_NOT_FOUND` unless all exist: the client would wait for missing ones. */
export const requirePartitions = async (
  client: Describing,
  partitions: readonly TopicPartition[],
  deadline: Deadline,
): Promise<void> => {
  const names = new Set(partitions.map(({ topic }) => topic));
  for (const name of names) if (!LEGAL.test(name)) throw noTopic(name);
  const [only] = names;
  if (only === undefined) return;
  const { topics } = await client.metadata(names.size === 1 ? only : undefined, deadline.left());
  const counts = new Map(
    topics.map(({ topic, partitions: its }) => [topic, new Set(its.map((each) => each.partition))]),
  );
  for (const { topic, partition } of partitions) {
    const known = counts.get(topic);
    if (!known) throw noTopic(topic);
    if (known.has(partition)) continue;
    throw new KafkaConnectorError(
      "PARTITION_NOT_FOUND",
      `Topic ${topic} has no partition ${partition}, but ${known.size} of them. Correct the number, or grow the topic.`,
      { retriable: true },
    );
  }
};
