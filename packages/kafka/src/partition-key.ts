import type { TopicPartition, TopicPartitionOffset } from "./client/port.js";

/** A partition as the key of a map; the number comes first, since it cannot hold the blank that ends it. */
export const partitionKey = ({ topic, partition }: TopicPartition): string => `${partition} ${topic}`;

export const offsetsByKey = (positions: readonly TopicPartitionOffset[]): ReadonlyMap<string, number> =>
  new Map(positions.map((each) => [partitionKey(each), each.offset]));

/** Its topic and partition alone, for clients and users. */
export const placeOf = ({ topic, partition }: TopicPartition): TopicPartition => ({ topic, partition });
