import type { TopicPartition, TopicPartitionOffset } from "./port.js";

/** A partition as the key of a map; the number comes first, since it cannot hold the blank that ends it. */
export const partitionKey = ({ topic, partition }: TopicPartition): string => `${partition} ${topic}`;

export const offsetsByKey = (positions: readonly TopicPartitionOffset[]): ReadonlyMap<string, number> =>
  new Map(positions.map((each) => [partitionKey(each), each.offset]));

/** As messages name it: `orders[3]`. */
export const partitionName = ({ topic, partition }: TopicPartition): string => `${topic}[${partition}]`;

/** As messages name a record: `orders[3]@1234`. */
export const recordName = (record: TopicPartitionOffset): string => `${partitionName(record)}@${record.offset}`;

/** Its topic and partition alone, for clients and users. */
export const partitionOf = ({ topic, partition }: TopicPartition): TopicPartition => ({ topic, partition });
