/** A member in a process of its own, which is killed. Its options come as JSON in the first argument. */
import { rdkafkaDriver, type TopicPartition } from "@millrace/kafka";
import type { OtherProcessOptions } from "./cluster.js";

const { topic, properties } = JSON.parse(process.argv[2] ?? "") as OtherProcessOptions;
const held = new Set<string>();
const labelOf = ({ partition }: TopicPartition): string => `t-${partition}`;
const tell = (): void => void process.send?.([...held].sort());

const client = rdkafkaDriver.consumer(properties, {
  onAssign: (partitions) => {
    for (const each of partitions) held.add(labelOf(each));
    tell();
  },
  onRevoke: (partitions) => {
    for (const each of partitions) held.delete(labelOf(each));
    tell();
  },
  onError: () => undefined,
});
process.on("disconnect", () => process.exit());
await client.connect();
client.subscribe({ kind: "topics", topics: [topic] });
tell();
for (;;) await client.poll({ maxRecords: 10, waitMs: 50 });
