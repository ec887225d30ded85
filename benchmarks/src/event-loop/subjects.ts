import {
  committableSource,
  CommittableOffsetBatch,
  committerSink,
  bytes,
  DrainingControl,
  sourceWithOffsetContext,
} from "@millrace/kafka";
import rdkafka, { type KafkaConsumer } from "node-rdkafka";

export interface ReadingJob {
  readonly brokers: string;
  readonly groupId: string;
  readonly topic: string;
  /** Light work on a record. */
  readonly process: (value: Buffer | null) => void;
}

/** Begins to read and to commit; the answer ends it. */
export type Reading = (job: ReadingJob) => Promise<() => Promise<unknown>>;

const settings = ({ brokers, groupId, topic }: ReadingJob) => ({
  kafka: { brokers, groupId },
  topics: [topic],
  key: bytes(),
  value: bytes(),
  properties: { "auto.offset.reset": "earliest" },
});

const explicit: Reading = async (job) => {
  const control = committableSource(settings(job))
    .map(({ record, offset }) => {
      job.process(record.value);
      return offset;
    })
    .batch(500, CommittableOffsetBatch.of, (batch, offset) => batch.updated(offset))
    .toMat(committerSink({ maxIntervalMs: 200 }), DrainingControl.from)
    .run();
  return () => control.drainAndShutdown();
};

const followed: Reading = async (job) => {
  const control = sourceWithOffsetContext(settings(job))
    .map(({ value }) => job.process(value))
    .toMat(committerSink({ maxIntervalMs: 200 }), DrainingControl.from)
    .run();
  return () => control.drainAndShutdown();
};

/** `consume(n)` in a loop with the timeout that node-rdkafka has by default. */
const loop: Reading = async (job) => {
  const consumer: KafkaConsumer = new rdkafka.KafkaConsumer(
    { "bootstrap.servers": job.brokers, "group.id": job.groupId, "enable.auto.commit": false },
    { "auto.offset.reset": "earliest" },
  );
  await new Promise((resolve, reject) => consumer.connect({}, (error) => (error ? reject(error) : resolve(0))));
  consumer.subscribe([job.topic]);
  let ended = false;
  const running = (async () => {
    while (!ended) {
      const messages = await new Promise<readonly rdkafka.Message[]>((resolve, reject) =>
        consumer.consume(1000, (error, read) => (error ? reject(error) : resolve(read))),
      );
      for (const { value } of messages) job.process(value);
      if (messages.length > 0) consumer.commit();
    }
    await new Promise((resolve) => consumer.disconnect(resolve));
  })();
  return () => {
    ended = true;
    return running;
  };
};

const idle: Reading = () => Promise.resolve(() => Promise.resolve());

const subjects = {
  idle,
  millrace: explicit,
  "millrace, with context": followed,
  "node-rdkafka loop": loop,
} satisfies Record<string, Reading>;

export type SubjectName = keyof typeof subjects;

export const readings: Readonly<Record<SubjectName, Reading>> = subjects;
export const subjectNames = Object.keys(subjects) as readonly SubjectName[];
