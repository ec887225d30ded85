import {
  committableSource,
  committerSink,
  type ConsumerExplanation,
  type Control,
  DrainingControl,
  produce,
  produceMulti,
  producerFlow,
  producerFlowWithContext,
  producerSink,
  type ProducerEnvelope,
  type ProducerRecord,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import { Keep, Source, type SourceWithContext } from "@millrace/streams";
import type { Witness } from "./observed-driver.js";
import type { Job, PipelineName } from "./protocol.js";
import { keyOf, numberOf, outputValue, partsOf, type Stamp } from "./records.js";
import { Random } from "./random.js";

/** What a worker runs. */
export interface RunningPipeline {
  readonly streamCompletion: Promise<unknown>;
  drainAndShutdown(): Promise<unknown>;
  explain(): ConsumerExplanation;
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

type Followed = SourceWithContext<readonly ProducerRecord<string, string>[], Control>;

/** The way of a followed pipeline from delivered records to the outputs of each. */
type Way = (delivered: SourceWithContext<Delivered, Control>, job: Job) => Followed;

const startFollowed =
  (way: Way): StartPipeline =>
  (job, witness) => {
    const delivered = sourceWithOffsetContext(sourceSettings(job, witness)).map((record): Delivered => {
      return { record, stamp: witness.stamp(record.partition, record.offset) };
    });
    return way(delivered, job)
      .via(producerFlowWithContext(producerSettings(job)))
      .toMat(committerSink({ maxBatch: 500, maxIntervalMs: COMMIT_EVERY_MS }), DrainingControl.from)
      .run();
  };

const keyIn = ({ record }: Delivered): number => keyOf(numberOf(record.value));

/** Keys of a partition overtake each other, records of a key do not. */
const byKey: Way = (delivered, job) => {
  const work = randomWork(job.seed);
  return delivered.mapAsyncPartitionedUnordered(64, keyIn, async (each) => {
    await work();
    return outputsOf(job.to, each);
  });
};

/** The same by substreams, each of which holds keys of all partitions. */
const byGroup: Way = (delivered, job) => {
  const work = randomWork(job.seed);
  return delivered
    .groupBy(16, (each) => keyIn(each) % 16)
    .mapAsync(4, async (each) => {
      await work();
      return outputsOf(job.to, each);
    })
    .mergeSubstreams();
};

/** In any order, each output by itself, and joined again in batches that cut records in two. */
const inAnyOrder: Way = (delivered, job) => {
  const work = randomWork(job.seed);
  return delivered
    .mapAsyncUnordered(64, async (each) => {
      await work();
      return outputsOf(job.to, each);
    })
    .mapConcat((outputs) => outputs)
    .groupedWithin(7, 20);
};

/** What a worker can run. */
export const PIPELINES: Readonly<Record<PipelineName, StartPipeline>> = {
  explicit: startExplicit,
  keys: startFollowed(byKey),
  groups: startFollowed(byGroup),
  unordered: startFollowed(inAnyOrder),
  broken: startBroken,
};
