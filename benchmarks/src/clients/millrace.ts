import {
  bytes,
  CommittableOffsetBatch,
  committableSource,
  committerFlow,
  DrainingControl,
  nullable,
  plainSource,
  produce,
  producerFlow,
} from "@millrace/kafka";
import { Sink, Source } from "@millrace/streams";
import type { ClientJob, Work, Works } from "./job.js";
import { keyOf, valueOf } from "./records.js";

export const kafkaOf = ({ brokers, groupId }: ClientJob) => ({ brokers, groupId });

export const reads = (job: ClientJob) => ({
  kafka: kafkaOf(job),
  topics: [job.from],
  key: bytes(),
  value: bytes(),
  properties: { "auto.offset.reset": "earliest" },
});

export const writes = (job: ClientJob) => ({ kafka: kafkaOf(job), key: nullable(bytes()), value: bytes() });

/** At most this long after a record is done its offset is sent. */
export const COMMIT = { maxIntervalMs: 200 };

/** Ends the run when the job is finished, or the run by itself, which is a failure. */
export const runOut = async (
  job: ClientJob,
  control: { readonly streamCompletion: Promise<unknown>; drainAndShutdown(): Promise<unknown> },
): Promise<void> => {
  await Promise.race([job.finished, control.streamCompletion]);
  await control.drainAndShutdown();
  await job.finished;
};

const consuming: Work = (job) =>
  runOut(
    job,
    plainSource(reads(job))
      .toMat(
        Sink.forEach(({ value }) => job.process(value)),
        DrainingControl.from,
      )
      .run(),
  );

const counting = (job: ClientJob): Sink<CommittableOffsetBatch, Promise<void>> => {
  let committed = 0;
  return Sink.forEach((batch: CommittableOffsetBatch) => job.onDone((committed += batch.size)));
};

const committing: Work = (job) =>
  runOut(
    job,
    committableSource(reads(job))
      .map(({ record, offset }) => {
        job.process(record.value);
        return offset;
      })
      .batch(500, CommittableOffsetBatch.of, (batch, offset) => batch.updated(offset))
      .via(committerFlow(COMMIT))
      .toMat(counting(job), DrainingControl.from)
      .run(),
  );

const producing: Work = async (job) => {
  let acknowledged = 0;
  await Source.unfold(0, (index) => (index === job.records ? undefined : [index + 1, index]))
    .map((index) =>
      produce({
        topic: job.to,
        partition: index % job.partitions,
        key: keyOf(index),
        value: valueOf(index, job.size),
      }),
    )
    .via(producerFlow(writes(job)))
    .runWith(Sink.forEach(() => job.onDone(++acknowledged)));
  await job.finished;
};

const copying: Work = (job) =>
  runOut(
    job,
    committableSource(reads(job))
      .map(({ record: { partition, key, value }, offset }) => {
        job.process(value);
        return produce({ topic: job.to, partition, key, value }, offset);
      })
      .via(producerFlow(writes(job)))
      .map((result) => result.passThrough)
      .batch(500, CommittableOffsetBatch.of, (batch, offset) => batch.updated(offset))
      .via(committerFlow(COMMIT))
      .toMat(counting(job), DrainingControl.from)
      .run(),
  );

/** As a user of the explicit surface writes them. */
export const works: Works = { consume: consuming, commit: committing, produce: producing, copy: copying };
