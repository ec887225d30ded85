import type { TopicPartition, TopicPartitionOffset } from "../../client/port.js";
import { decodeFinished } from "../../ledger/finished-set/decode-finished.js";
import { type FinishedSet, NOTHING_FINISHED } from "../../ledger/finished-set/finished-set.js";
import type { Remember } from "../../settings/consumer-settings.js";
import type { SessionContext } from "./session-context.js";

/** What an earlier owner of a partition had finished. */
export interface FinishedBefore extends TopicPartition {
  readonly finished: FinishedSet;
}

/**
 * Records above the positions that the commits of these partitions list as finished. Anyone who may commit for the
 * group can write that, so a list beyond the partition's end is not believed. Where nothing is known all is read again;
 * what is not delivered again is logged.
 */
export const finishedBefore = async (
  { client, logger, settings }: SessionContext,
  { parallelConsumer }: Remember,
  partitions: readonly TopicPartition[],
): Promise<readonly FinishedBefore[]> => {
  const { groupId, commitTimeoutMs: timeoutMs } = settings;
  /** Nothing, where the partition's end is not known either. */
  const believed = async (position: TopicPartitionOffset, finished: FinishedSet): Promise<FinishedSet> => {
    const { topic, partition, offset } = position;
    const fields = { groupId, topic, partition, position: offset, records: finished.size, last: finished.lastOffset };
    const { high } = await client.watermarks({ topic, partition }, timeoutMs);
    if (finished.lastOffset < high) {
      logger.info("kafka consumer: records that were finished before are not delivered again", fields);
      return finished;
    }
    logger.warn(
      "kafka consumer: the metadata of a commit lists finished records beyond the partition's end. It is not believed, and what is finished above the position is read again",
      { ...fields, end: high },
    );
    return NOTHING_FINISHED;
  };
  const unknown = (error: unknown): void =>
    logger.warn("kafka consumer: committed metadata could not be read", { groupId, error });
  const ofOne = async (position: TopicPartitionOffset): Promise<FinishedBefore> => {
    const { topic, partition, offset, metadata } = position;
    const finished = decodeFinished(offset, metadata, { parallelConsumer });
    if (finished.isEmpty) return { topic, partition, finished };
    try {
      return { topic, partition, finished: await believed(position, finished) };
    } catch (error) {
      unknown(error);
      return { topic, partition, finished: NOTHING_FINISHED };
    }
  };
  try {
    return await Promise.all((await client.committed(partitions, timeoutMs)).map(ofOne));
  } catch (error) {
    unknown(error);
    return [];
  }
};
