import {
  AdminClient,
  committerSink,
  DrainingControl,
  MetadataClient,
  rdkafkaDriver,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { expect } from "chai";
import { eventually } from "../support/owner.js";
import { ownBrokersOrSkip } from "../support/broker.js";
import { committedPositions, fill } from "./support/topics.js";

const WAIT_MS = 60_000;
const HOUR_MS = 3_600_000;
const quiet = (): void => undefined;

describe("logs that change under a group, on a real broker", function () {
  this.timeout(4 * WAIT_MS);
  let kafka: LocalKafka;
  let admin: AdminClient;
  const warned: { readonly message: string; readonly meta: Record<string, unknown> }[] = [];
  let read: string[] = [];

  before(async function () {
    const soon = { "log.retention.check.interval.ms": "500", "log.initial.task.delay.ms": "500" };
    kafka = await ownBrokersOrSkip(this, { properties: { ...soon, "log.segment.delete.delay.ms": "0" } });
    admin = AdminClient.create({ kafka: { brokers: kafka.brokers } });
  });
  after(async () => {
    // Undefined when the hook above has skipped.
    await (admin as AdminClient | undefined)?.close();
    await (kafka as LocalKafka | undefined)?.stop();
  });
  beforeEach(() => {
    read = [];
    warned.length = 0;
  });

  const write = (topic: string, name: string, count: number, timestamp = Date.now()): Promise<void> =>
    fill(
      kafka.brokers,
      Array.from({ length: count }, (_, index) => {
        return { topic, partition: 0, key: null, value: Buffer.from(`${name}-${index}`), timestamp };
      }),
    );
  const run = (topic: string, more: object = {}) =>
    sourceWithOffsetContext({
      kafka: {
        brokers: kafka.brokers,
        groupId: topic,
        logger: {
          ...{ debug: quiet, info: quiet, error: quiet },
          warn: (message: string, meta?: object) => void warned.push({ message, meta: { ...meta } }),
        },
      },
      ...{ topics: [topic], value: string(), ...more },
    })
      .map(({ value }) => void read.push(value))
      .toMat(committerSink({ maxIntervalMs: 100 }), DrainingControl.from)
      .run();
  /** -1 where the coordinator of the group is not found yet, as on a broker that has just come up. */
  const stored = (topic: string): Promise<number> =>
    committedPositions(kafka.brokers, topic, topic, 1).then(
      ([position]) => position ?? 0,
      () => -1,
    );
  const fresh = (): number => new Set(read.filter((value) => value.startsWith("new"))).size;

  for (const [protocol, more] of [
    ["eager", { properties: { "partition.assignment.strategy": "range" } }],
    ["cooperative", { properties: { "partition.assignment.strategy": "cooperative-sticky" } }],
    ["consumer", { groupProtocol: "consumer" }],
  ] as const) {
    for (const [old, now] of [
      [5, 20],
      [10, 10],
    ] as const) {
      it(`reads all ${now} records of a topic that was made again behind ${old} (${protocol})`, async () => {
        const topic = `remade-${protocol}-${old}`;
        await kafka.createTopic(topic, { partitions: 1 });
        await write(topic, "old", old);
        const control = run(topic, more);
        await eventually("the old records are committed", async () => (await stored(topic)) === old, WAIT_MS);
        await admin.deleteTopic(topic);
        await eventually(
          "the name is free",
          () =>
            kafka.createTopic(topic, { partitions: 1 }).then(
              () => true,
              () => false,
            ),
          WAIT_MS,
        );
        await write(topic, "new", now);
        await eventually("the new records are read", () => fresh() === now, WAIT_MS);
        await eventually("the new records are committed", async () => (await stored(topic)) === now, WAIT_MS);
        expect(warned.some(({ message }) => message.includes("was deleted and made again"))).to.equal(true);
        await control.drainAndShutdown();
      });
    }
  }

  it("reports records that retention removed before the group had read them", async () => {
    const topic = "removed";
    await kafka.createTopic(topic, { partitions: 1, configs: { "retention.ms": String(HOUR_MS) } });
    await write(topic, "old", 30, Date.now() - 2 * HOUR_MS);
    const metadata = await MetadataClient.open({ kafka: { brokers: kafka.brokers } });
    const place = [{ topic, partition: 0 }];
    await eventually(
      "retention has removed the records",
      async () => (await metadata.beginningOffsets(place))[0]?.offset === 30,
      WAIT_MS,
    );
    await metadata.close();
    await admin.commitOffsets(topic, [{ topic, partition: 0, offset: 10 }]);
    await write(topic, "new", 5);
    const control = run(topic);
    await eventually("what is left is read", () => fresh() === 5, WAIT_MS);
    await eventually("the rest is told", () => control.metrics().removedOffsets === 20, WAIT_MS);
    const told = warned.filter(({ message }) => message.includes("removed before they were read"));
    expect(told.map(({ meta }) => [meta["from"], meta["to"]])).to.deep.equal([[10, 30]]);
    await control.drainAndShutdown();
  });

  it("commits the end behind what transactions leave, where the lag is 0", async () => {
    const topic = "hidden";
    await kafka.createTopic(topic, { partitions: 1 });
    await write(topic, "new", 3);
    const producer = rdkafkaDriver.producer(
      { "bootstrap.servers": kafka.brokers, "transactional.id": topic },
      { onReports: quiet, onError: quiet },
    );
    await producer.connect();
    const { transactions } = producer;
    if (!transactions) throw new Error("a producer with a transactional.id has transactions");
    await transactions.init(WAIT_MS);
    await transactions.begin();
    producer.produceBatch([{ topic, partition: 0, key: null, value: Buffer.from("taken back") }], 0, 0);
    await producer.flush(WAIT_MS);
    await transactions.abort(WAIT_MS);
    await producer.close();
    const control = run(topic);
    // Three records, one that was taken back, and the marker that says so.
    await eventually("the end is committed", async () => (await stored(topic)) === 5, WAIT_MS);
    expect((await control.lag()).map(({ lag }) => lag)).to.deep.equal([0]);
    expect(read).to.have.length(3);
    await control.drainAndShutdown();
  });
});
