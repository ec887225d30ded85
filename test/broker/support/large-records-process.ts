/** Reads or sends records so large that a few hundred do not fit into memory, in a process of its own; its job comes as JSON. */
import {
  committableSource,
  committerSink,
  plainPartitionedSource,
  plainSource,
  produce,
  producerFlow,
  SendProducer,
  sharedConsumer,
} from "@millrace/kafka";
import { Sink, Source } from "@millrace/streams";

const WORK_MS = 50;
const SENT_BYTES = 900_000;
const SENT_RECORDS = 500;

export interface LargeRecordsJob {
  readonly brokers: string;
  readonly topic: string;
  readonly partitions: number;
  readonly role: keyof typeof ROLES;
  /** The first record is worked on for ever; otherwise each for a while. */
  readonly stalled: boolean;
}

/** What the process tells its parent now and then. */
export interface LargeRecordsNews {
  readonly done: number;
  /** The most that it has ever had, in bytes. */
  readonly maxRss: number;
}

const job = JSON.parse(process.argv[2] ?? "") as LargeRecordsJob;
let done = 0;
const work = async (): Promise<void> => {
  done += 1;
  await new Promise<void>((resolve) => {
    if (!job.stalled) setTimeout(resolve, WORK_MS);
  });
};
const kafka = { brokers: job.brokers, groupId: `${job.topic}-${job.role}-${job.stalled ? "stalled" : "slow"}` };
const reading = { kafka, topics: [job.topic], autoOffsetReset: "earliest" as const };
function* made(): Generator<{ readonly topic: string; readonly value: Buffer }> {
  for (let count = 0; count < SENT_RECORDS; count++) yield { topic: job.topic, value: Buffer.alloc(SENT_BYTES, "x") };
}

/** All with the settings that they have by default. */
const ROLES = {
  /** There is nothing to read. */
  idle: () => {
    done = 1;
    return plainSource(reading).runWith(Sink.ignore);
  },
  explicit: () =>
    committableSource(reading)
      .mapAsync(1, ({ offset }) => work().then(() => offset))
      .runWith(committerSink()),
  partitioned: () =>
    plainPartitionedSource(reading)
      .mapAsyncUnordered(job.partitions, ({ source }) => source.mapAsync(1, work).runWith(Sink.ignore))
      .runWith(Sink.ignore),
  shared: () => {
    const consumer = sharedConsumer({ kafka });
    for (let partition = 0; partition < job.partitions; partition++) {
      void plainSource({ consumer, assignment: [{ topic: job.topic, partition, offset: "beginning" }] })
        .mapAsync(1, work)
        .runWith(Sink.ignore);
    }
  },
  sending: () =>
    Source.from(made())
      .map((record) => produce(record))
      .via(producerFlow({ kafka }))
      .mapAsync(1, work)
      .runWith(Sink.ignore),
  "sending with little parallelism": () =>
    Source.from(made())
      .map((record) => produce(record))
      .via(producerFlow({ kafka, parallelism: 20 }))
      .mapAsync(1, work)
      .runWith(Sink.ignore),
  "sending one by one": () => {
    const sender = SendProducer.create({ kafka });
    const send = async (record: { readonly topic: string; readonly value: Buffer }): Promise<void> => {
      await sender.send(record).catch(() => undefined);
      done += 1;
    };
    // None waits for another, as requests do not.
    let count = 0;
    const requests = setInterval(() => {
      for (const record of made()) {
        void send(record);
        if (++count % 5 === 0) break;
      }
      if (count >= SENT_RECORDS) clearInterval(requests);
    }, 10);
  },
} as const;

void ROLES[job.role]();
setInterval(() => {
  const news: LargeRecordsNews = { done, maxRss: process.resourceUsage().maxRSS * 1024 };
  process.send?.(news);
}, 100);
process.on("disconnect", () => process.exit());
