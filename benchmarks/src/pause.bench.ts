import { setTimeout as delay } from "node:timers/promises";
import { rdkafkaDriver, type TopicPartition } from "@millrace/kafka";
import { LocalKafka } from "@millrace/kafka-testkit";
import { fillTopic, orders } from "./copy/topic.js";
import type { Row, Suite, SuiteOptions } from "./suite.js";

const PARTITIONS = 8;
const READ = 500;
const STALL_MS = 2;
const LOOP = "reads when there is room";

/** How many stalls go by for each one in which everything is paused. */
const PAUSES: Readonly<Record<string, number>> = {
  [LOOP]: Number.POSITIVE_INFINITY,
  "pauses at every 16th stall": 16,
  "pauses at every stall": 1,
};

interface Reading {
  readonly perSecond: number;
  readonly fetched: number;
}

const read = async (brokers: string, topic: string, records: number, pauseEvery: number): Promise<Reading> => {
  let fetched = 0;
  let statistics = 0;
  let assigned: readonly TopicPartition[] = [];
  const consumer = rdkafkaDriver.consumer(
    {
      "bootstrap.servers": brokers,
      "group.id": `pause-${process.pid}-${pauseEvery}-${Date.now()}`,
      "auto.offset.reset": "earliest",
      "statistics.interval.ms": 100,
    },
    {
      onAssign: (partitions) => {
        assigned = partitions;
      },
      onRevoke: () => undefined,
      onError: () => undefined,
      onStatistics: (json) => {
        fetched = (JSON.parse(json) as { readonly rxmsgs: number }).rxmsgs;
        statistics += 1;
      },
    },
  );
  await consumer.connect();
  consumer.subscribe({ kind: "topics", topics: [topic] });
  let started = performance.now();
  let seen = 0;
  for (let stalls = 0; seen < records; ) {
    const chunk = await consumer.poll({ maxRecords: READ, waitMs: 50 });
    if (!chunk) continue;
    if (seen === 0) started = performance.now();
    seen += chunk.length;
    chunk.release();
    stalls += 1;
    const pauses = stalls % pauseEvery === 0;
    if (pauses) consumer.pause(assigned);
    await delay(STALL_MS);
    if (pauses) consumer.resume(assigned);
  }
  const perSecond = (records / (performance.now() - started)) * 1000;
  for (const told = statistics; statistics < told + 2; ) await consumer.poll({ maxRecords: 1, waitMs: 50 });
  await consumer.close();
  return { perSecond, fetched: fetched / records };
};

const run = async (options: SuiteOptions): Promise<readonly Row[]> => {
  const records = options.quick ? 10_000 : 50_000;
  await using kafka = await LocalKafka.start();
  const topic = `bench-pause-${process.pid}-${Date.now()}`;
  await kafka.createTopic(topic, { partitions: PARTITIONS });
  options.progress(`pause: filling a topic of ${kafka.description}`);
  await fillTopic(kafka.brokers, records, orders(topic, PARTITIONS));
  const readings = new Map<string, Reading>();
  for (const [subject, pauseEvery] of Object.entries(PAUSES)) {
    options.progress(`pause: ${subject}`);
    readings.set(subject, await read(kafka.brokers, topic, records, pauseEvery));
  }
  const loop = readings.get(LOOP)?.perSecond ?? Number.NaN;
  return [...readings].map(([subject, { perSecond, fetched }]) => ({
    bench: "pause",
    subject,
    perSecond,
    ratioToLoop: perSecond / loop,
    note: `${fetched.toFixed(2)} records fetched for each one read`,
  }));
};

/** What a pause costs a reader that stalls now and then: librdkafka throws away what it has fetched, and fetches it again. */
export const suite: Suite = { benches: ["pause"], run, goals: () => [] };
