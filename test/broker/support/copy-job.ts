import {
  type ClientProperties,
  CommittableOffsetBatch,
  committableSource,
  committerSink,
  DrainingControl,
  produce,
  producerFlow,
  string,
} from "@millrace/kafka";
import type { Logger } from "@millrace/streams";

export interface CopyJob {
  readonly brokers: string;
  readonly groupId: string;
  readonly from: string;
  readonly to: string;
  /** Of the consumer. */
  readonly properties?: ClientProperties;
  readonly logger?: Logger;
  /** How long the look-up of each record takes, 32 at a time; default 0. */
  readonly lookUpMs?: number;
  readonly onDelivered?: (partition: number, offset: number) => void;
  readonly onAcknowledged?: () => void;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Without a time of its own it mostly answers in the same turn, now and then later: whoever does not keep order shows it. */
const lookUp = async (offset: number, ms: number): Promise<void> => {
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
  else if (offset % 97 === 0) await turn();
};

/** The job the broker tests run: one topic into another, partition by partition, at least once. */
export function startCopy(job: CopyJob): DrainingControl<void> {
  const { brokers, groupId, from, to, properties = {}, logger } = job;
  const kafka = { brokers, groupId, ...(logger && { logger }) };
  return committableSource({
    kafka,
    topics: [from],
    value: string(),
    properties: { "auto.offset.reset": "earliest", ...properties },
  })
    .mapAsync(32, async ({ record, offset }) => {
      job.onDelivered?.(record.partition, record.offset);
      await lookUp(record.offset, job.lookUpMs ?? 0);
      return produce({ topic: to, partition: record.partition, key: record.key, value: record.value }, offset);
    })
    .via(producerFlow({ kafka, value: string() }))
    .map(({ passThrough }) => {
      job.onAcknowledged?.();
      return passThrough;
    })
    .batch(500, CommittableOffsetBatch.of, (batch, offset) => batch.updated(offset))
    .toMat(committerSink({ maxIntervalMs: 200 }), DrainingControl.from)
    .run();
}
