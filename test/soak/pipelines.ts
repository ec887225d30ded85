import {
  committableSource,
  committerSink,
  DrainingControl,
  produce,
  produceMulti,
  producerFlow,
  producerSink,
  type ProducerEnvelope,
  type ProducerRecord,
  string,
} from "@millrace/kafka";
import { Keep, Source } from "@millrace/streams";
import type { Witness } from "./observed-driver.js";
import type { Job, PipelineName } from "./protocol.js";
import { keyOf, numberOf, outputValue, partsOf, type Stamp } from "./records.js";
import { Random } from "./random.js";

/** What a worker runs. */
export interface RunningPipeline {
  readonly streamCompletion: Promise<unknown>;
  drainAndShutdown(): Promise<unknown>;
}

type StartPipeline = (job: Job, witness: Witness) => RunningPipeline;

interface Delivered {
  readonly record: { readonly partition: number; readonly offset: number; readonly value: string };
  readonly stamp: Stamp;
}

const COMMIT_EVERY_MS = 200;
const BROKEN_DELAY_MS = 300;

/** Mostly done in the same turn, sometimes after some milliseconds, now and then after so many that others overtake it. */
const randomWork = (seed: number): (() => Promise<void> | undefined) => {
  const random = new Random(seed);
  const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  return () => {
    if (!random.chance(0.1)) return undefined;
    return wait(random.chance(0.02) ? random.between(20, 120) : random.between(0, 6));
  };
};

const outputsOf = (to: string, { record, stamp }: Delivered): readonly ProducerRecord<string, string>[] => {
  const { partition, offset } = record;
  const number = numberOf(record.value);
  return Array.from({ length: partsOf(number) }, (_, part) => ({
    topic: to,
    partition,
    key: String(keyOf(number)),
    value: outputValue({ number, part, partition, offset, ...stamp }),
  }));
};

const envelope = <P>(
  outputs: readonly ProducerRecord<string, string>[],
  passThrough: P,
): ProducerEnvelope<string, string, P> => {
  const [first, ...more] = outputs;
  return first !== undefined && more.length === 0 ? produce(first, passThrough) : produceMulti(outputs, passThrough);
};

const sourceSettings = (job: Job, witness: Witness) =>
  ({
    kafka: { brokers: job.brokers, groupId: job.groupId, driver: witness.driver },
    topics: [job.from],
    value: string(),
    properties: job.properties,
  }) as const;

const producerSettings = (job: Job) =>
  ({ kafka: { brokers: job.brokers, properties: { "compression.codec": "lz4" } }, value: string() }) as const;

/** The offset travels with its record through the producer to the committer. */
const startExplicit: StartPipeline = (job, witness) => {
  const work = randomWork(job.seed);
  return committableSource(sourceSettings(job, witness))
    .map(({ record, offset }) => ({ record, offset, stamp: witness.stamp(record.partition, record.offset) }))
    .mapAsync(32, async (delivered) => {
      await work();
      return envelope(outputsOf(job.to, delivered), delivered.offset);
    })
    .via(producerFlow(producerSettings(job)))
    .map(({ passThrough }) => passThrough)
    .toMat(committerSink({ maxBatch: 500, maxIntervalMs: COMMIT_EVERY_MS }), DrainingControl.from)
    .run();
};

/** The mistake of a hand-written worker: outputs go out by a way of their own, and the offset does not wait for them. */
const startBroken: StartPipeline = (job, witness) => {
  const outputs = Source.queue<ProducerRecord<string, string>>(100_000)
    .toMat(producerSink(producerSettings(job)), Keep.left)
    .run();
  return committableSource(sourceSettings(job, witness))
    .map(({ record, offset }) => {
      const delivered = { record, stamp: witness.stamp(record.partition, record.offset) };
      setTimeout(() => outputsOf(job.to, delivered).forEach((output) => outputs.offer(output)), BROKEN_DELAY_MS);
      return offset;
    })
    .toMat(committerSink({ maxBatch: 500, maxIntervalMs: COMMIT_EVERY_MS }), DrainingControl.from)
    .run();
};

/** In the followed pipelines claims end in any order, so only the explicit ones keep the order of a partition. */
export const PIPELINES: Readonly<Partial<Record<PipelineName, StartPipeline>>> = {
  explicit: startExplicit,
  broken: startBroken,
};
