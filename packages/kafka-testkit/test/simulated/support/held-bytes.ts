import {
  committablePartitionedSource,
  committableSource,
  committerSink,
  type ConsumerSettings,
  type Deserializer,
  DrainingControl,
  type KafkaDriver,
  partitionedSourceWithOffsetContext,
  plainPartitionedSource,
  plainSource,
  sharedConsumer,
  sourceWithOffsetContext,
  type TopicPartition,
} from "@millrace/kafka";
import { SimulatedKafka } from "@millrace/kafka-testkit";
import { Sink } from "@millrace/streams";
import { type VirtualClock, virtualClock } from "@millrace/streams-testkit";

/** What a test asks of a source that runs, or of several. */
interface Running {
  readonly bufferedBytes: number;
  pause(partitions: readonly TopicPartition[]): void;
  resume(): void;
  drain(): Promise<unknown>;
}

type Reading = ConsumerSettings & { readonly value: Deserializer<Buffer> };

/** What is done with each record, and how many at a time: of each partition, where these have streams of their own. */
interface Work {
  readonly parallelism: number;
  readonly f: (record: { readonly partition: number; readonly value: Buffer }) => Promise<void>;
  readonly clock: VirtualClock;
}

const commits = committerSink({ maxIntervalMs: 20 });

const running = (control: DrainingControl<unknown>): Running => ({
  get bufferedBytes() {
    return control.metrics().bufferedBytes;
  },
  pause: (partitions) => control.pause(partitions),
  resume: () => control.resume(),
  drain: () => control.drainAndShutdown(),
});

/** Every way to read. */
const SURFACES = {
  plainSource: (reading: Reading, { parallelism, f, clock }: Work): Running =>
    running(plainSource(reading).mapAsync(parallelism, f).toMat(Sink.ignore, DrainingControl.from).run({ clock })),
  plainPartitionedSource: (reading: Reading, { parallelism, f, clock }: Work): Running =>
    running(
      plainPartitionedSource(reading)
        .mapAsyncUnordered(20, ({ source }) => source.mapAsync(parallelism, f).runWith(Sink.ignore, { clock }))
        .toMat(Sink.ignore, DrainingControl.from)
        .run({ clock }),
    ),
  committableSource: (reading: Reading, { parallelism, f, clock }: Work): Running =>
    running(
      committableSource(reading)
        .mapAsync(parallelism, ({ record, offset }) => f(record).then(() => offset))
        .toMat(commits, DrainingControl.from)
        .run({ clock }),
    ),
  committablePartitionedSource: (reading: Reading, { parallelism, f, clock }: Work): Running =>
    running(
      committablePartitionedSource(reading)
        .mapAsyncUnordered(20, ({ source }) =>
          source
            .mapAsync(parallelism, ({ record, offset }) => f(record).then(() => offset))
            .toMat(commits, (_, done) => done)
            .run({ clock }),
        )
        .toMat(Sink.ignore, DrainingControl.from)
        .run({ clock }),
    ),
  sourceWithOffsetContext: (reading: Reading, { parallelism, f, clock }: Work): Running =>
    running(
      sourceWithOffsetContext(reading).mapAsync(parallelism, f).toMat(commits, DrainingControl.from).run({ clock }),
    ),
  partitionedSourceWithOffsetContext: (reading: Reading, { parallelism, f, clock }: Work): Running =>
    running(
      partitionedSourceWithOffsetContext(reading)
        .mapAsyncUnordered(20, ({ source }) =>
          source
            .mapAsync(parallelism, f)
            .toMat(commits, (_, done) => done)
            .run({ clock }),
        )
        .toMat(Sink.ignore, DrainingControl.from)
        .run({ clock }),
    ),
  "sources of a sharedConsumer": (reading: Reading, { parallelism, f, clock }: Work): Running => {
    const { kafka, maxBufferedBytes, value, partitions } = reading as Reading & { readonly partitions: number };
    const consumer = sharedConsumer({ kafka, ...(maxBufferedBytes !== undefined && { maxBufferedBytes }) });
    const controls = Array.from({ length: partitions }, (_, partition) =>
      plainSource({ consumer, value, assignment: [{ topic: "t", partition, offset: "beginning" }] })
        .mapAsync(parallelism, f)
        .toMat(Sink.ignore, DrainingControl.from)
        .run({ clock }),
    );
    return {
      get bufferedBytes() {
        return consumer.metrics().bufferedBytes;
      },
      pause: (places) => {
        for (const { partition } of places) controls[partition]?.pause();
      },
      resume: () => {
        for (const control of controls) control.resume();
      },
      async drain() {
        await Promise.all(controls.map((control) => control.drainAndShutdown()));
        await consumer.close();
      },
    };
  },
} as const;

export type Surface = keyof typeof SURFACES;
export const surfaces: readonly Surface[] = Object.keys(SURFACES) as Surface[];

export interface HoldingOptions {
  readonly surface: Surface;
  /** Of each record, by partition. */
  readonly sizes: readonly (readonly number[])[];
  readonly settings: Partial<ConsumerSettings>;
  /** How long each record is worked on, once the stall is over. */
  readonly workMs: number;
  /** Records that are worked on at a time; default 1. */
  readonly parallelism?: number;
  /** Work on the records of this partition never ends. */
  readonly stuck?: number;
  readonly seed?: number;
}

/**
 * A source beside a count, kept by the client and the serde, of the bytes that it holds: fetched and not handed on, and
 * handed on and not worked on.
 */
export class Holding {
  readonly clock: VirtualClock = virtualClock();
  readonly kafka: SimulatedKafka;
  readonly control: Running;
  readonly #sizes: HoldingOptions["sizes"];
  #release: () => void = () => undefined;
  #stalled: Promise<void> | undefined = new Promise((resolve) => (this.#release = resolve));
  #fetched = 0;
  #delivered = 0;
  #inWork = 0;
  worked = 0;
  /** The most that were fetched and not handed on. */
  mostBuffered = 0;
  /** The most that were handed on and not worked on. */
  mostInWork = 0;
  readonly offsets: number[][];

  constructor({ surface, sizes, settings, workMs, parallelism = 1, stuck, seed = 1 }: HoldingOptions) {
    this.#sizes = sizes;
    this.kafka = new SimulatedKafka({ seed, clock: this.clock });
    this.kafka.createTopic("t", sizes.length);
    sizes.forEach((each, partition) =>
      this.kafka.append("t", partition, ...each.map((size) => ({ value: Buffer.alloc(size) }))),
    );
    this.offsets = sizes.map(() => []);
    const reading: Reading = {
      kafka: { brokers: "x:1", groupId: "g", driver: this.#counting() },
      topics: ["t"],
      autoOffsetReset: "earliest",
      value: { decode: (bytes) => this.#decode(bytes as Buffer) },
      ...settings,
    };
    const f: Work["f"] = async ({ partition, value }) => {
      if (partition === stuck) await new Promise(() => undefined);
      if (this.#stalled) await this.#stalled;
      if (workMs > 0) await new Promise<void>((resolve) => this.clock.schedule(workMs, resolve));
      this.worked += 1;
      this.#inWork -= value.length;
    };
    const work = { parallelism, f, clock: this.clock };
    const own = surface === "sources of a sharedConsumer" ? { ...reading, partitions: sizes.length } : reading;
    this.control = SURFACES[surface](own, work);
  }

  #counting(): KafkaDriver {
    const { driver } = this.kafka;
    return {
      ...driver,
      consumer: (properties, listener) => {
        const client = driver.consumer(properties, listener);
        const poll = client.poll.bind(client);
        client.poll = async (options) => {
          const chunk = await poll(options);
          for (let index = 0; index < (chunk?.length ?? 0); index++) {
            this.#fetched += chunk?.value(index)?.length ?? 0;
            this.offsets[chunk?.partition(index) as number]?.push(chunk?.offset(index) as number);
          }
          this.mostBuffered = Math.max(this.mostBuffered, this.#fetched - this.#delivered);
          return chunk;
        };
        return client;
      },
    };
  }

  #decode(bytes: Buffer): Buffer {
    this.#delivered += bytes.length;
    this.#inWork += bytes.length;
    this.mostInWork = Math.max(this.mostInWork, this.#inWork);
    return bytes;
  }

  get records(): number {
    return this.#sizes.reduce((sum, each) => sum + each.length, 0);
  }

  /** What waits by its own account. */
  get told(): number {
    return this.control.bufferedBytes;
  }

  get counted(): number {
    return this.#fetched - this.#delivered;
  }

  /** From now on records are worked on. */
  go(): void {
    this.#stalled = undefined;
    this.#release();
  }
}
