import type { TopicPartition } from "./client/port.js";

/** A partition as the key of a map; the number comes first, since it cannot hold the blank that ends it. */
export const partitionKey = ({ topic, partition }: TopicPartition): string => `${partition} ${topic}`;

/** Its topic and partition alone, for clients and users. */
export const placeOf = ({ topic, partition }: TopicPartition): TopicPartition => ({ topic, partition });
