import {
  bytes,
  CommittableOffsetBatch,
  committableSource,
  committerFlow,
  DrainingControl,
  nullable,
  produce,
  producerFlow,
} from "@millrace/kafka";
import { Sink } from "@millrace/streams";
import { consumerProperties, type Copy, producerProperties } from "./job.js";

/** The copy as a user of Millrace writes it. */
export const millrace: Copy = async (job) => {
  const kafka = { brokers: job.brokers, groupId: job.groupId };
  let committed = 0;
  let finish = (): void => undefined;
  const finished = new Promise<void>((resolve) => (finish = resolve));
  const control = committableSource({
    kafka,
    topics: [job.from],
    key: bytes(),
    value: bytes(),
    properties: consumerProperties(job),
  })
    .mapAsync(32, async ({ record, offset }) =>
      produce({ topic: job.to, partition: record.partition, key: record.key, value: record.value }, offset),
    )
    .via(producerFlow({ kafka, key: nullable(bytes()), value: bytes(), properties: producerProperties(job) }))
    .map((result) => result.passThrough)
    .batch(500, CommittableOffsetBatch.of, (batch, offset) => batch.updated(offset))
    .via(committerFlow({ maxIntervalMs: 200 }))
    .toMat(
      Sink.forEach((batch: CommittableOffsetBatch) => {
        committed += batch.size;
        job.onCommitted(committed);
        if (committed >= job.records) finish();
      }),
      DrainingControl.from,
    )
    .run();
  await Promise.race([finished, control.streamCompletion]);
  await control.drainAndShutdown();
};
