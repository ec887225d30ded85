import type { ClusterMetadata, TopicMetadata } from "../port.js";
import type { NativeConsumer, NativeMetadata } from "./native.js";
import type { CallNative } from "./positions.js";

const topicOf = ({ name, partitions }: NativeMetadata["topics"][number]): TopicMetadata => ({
  topic: name,
  partitions: partitions
    .map(({ id, leader, replicas, isrs }) => ({
      topic: name,
      partition: id,
      leader: leader < 0 ? undefined : leader,
      replicas,
      inSyncReplicas: isrs,
    }))
    .sort((a, b) => a.partition - b.partition),
});

/**
 * All topics are asked for, even where one is wanted: with a name, node-rdkafka makes a topic handle that it never frees,
 * and a client that may create topics would create it.
 */
export async function clusterMetadata(
  native: NativeConsumer,
  call: CallNative,
  topic: string | undefined,
  timeoutMs: number,
): Promise<ClusterMetadata> {
  const { brokers, topics } = await call<NativeMetadata>("describe the cluster", timeoutMs, (done) =>
    native.getMetadata({ allTopics: true, timeout: timeoutMs }, done),
  );
  const wanted = topics.filter(({ name, partitions }) => (topic ?? name) === name && partitions.length > 0);
  return { brokers: brokers.map(({ id, host, port }) => ({ id, host, port })), topics: wanted.map(topicOf) };
}
