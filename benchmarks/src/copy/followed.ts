import {
  bytes,
  committerSink,
  DrainingControl,
  nullable,
  type PartitionReport,
  producerFlowWithContext,
  sourceWithOffsetContext,
} from "@millrace/kafka";
import { consumerProperties, type Copy, producerProperties } from "./job.js";

/** How often it is asked what is committed: a thirtieth of how long it takes between two commits at most. */
const LOOK_MS = 5;

/** The topic is read from its first offset, which is 0, and has no holes. */
const committedIn = (partitions: readonly PartitionReport[]): number =>
  partitions.reduce((sum, { committed = 0 }) => sum + committed, 0);

/** The copy with context: the same steps, and nothing said about offsets. */
export const followed: Copy = async (job) => {
  const kafka = { brokers: job.brokers, groupId: job.groupId };
  const control = sourceWithOffsetContext({
    kafka,
    topics: [job.from],
    key: bytes(),
    value: bytes(),
    properties: consumerProperties(job),
  })
    .mapAsync(32, async ({ partition, key, value }) => ({ topic: job.to, partition, key, value }))
    .via(
      producerFlowWithContext({ kafka, key: nullable(bytes()), value: bytes(), properties: producerProperties(job) }),
    )
    .toMat(committerSink({ maxIntervalMs: 200 }), DrainingControl.from)
    .run();
  let timer: NodeJS.Timeout | undefined;
  const finished = new Promise<void>((resolve) => {
    timer = setInterval(() => {
      const committed = committedIn(control.report());
      job.onCommitted(committed);
      if (committed >= job.records) resolve();
    }, LOOK_MS);
  });
  await Promise.race([finished, control.streamCompletion]);
  clearInterval(timer);
  await control.drainAndShutdown();
};
