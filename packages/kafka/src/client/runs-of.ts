import type { PartitionRun, RecordChunk } from "./port.js";

/**
 * The runs of a chunk: neighbouring records of one partition whose offsets ascend. A client that was reset goes back within
 * what one read returns, and a new run begins there. For drivers, whose chunks answer it as `runs()`.
 */
export const runsOf = (
  chunk: Pick<RecordChunk, "length" | "topic" | "partition" | "offset" | "bytes">,
): readonly PartitionRun[] => {
  const runs: PartitionRun[] = [];
  for (let from = 0; from < chunk.length; ) {
    const topic = chunk.topic(from);
    const partition = chunk.partition(from);
    let lastOffset = chunk.offset(from);
    let bytes = chunk.bytes(from);
    let to = from + 1;
    for (; to < chunk.length && chunk.partition(to) === partition && chunk.topic(to) === topic; to++) {
      const offset = chunk.offset(to);
      if (offset <= lastOffset) break;
      lastOffset = offset;
      bytes += chunk.bytes(to);
    }
    runs.push({ topic, partition, from, to, lastOffset, bytes });
    from = to;
  }
  return runs;
};
