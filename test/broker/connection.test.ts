import {
  committableSource,
  committerSink,
  type ConnectionFailedError,
  type ConsumerClient,
  type ConsumerSettings,
  DrainingControl,
  plainSource,
  rdkafkaDriver,
  string,
  type TopicPartition,
} from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { Sink } from "@millrace/streams";
import { liveRuns } from "@millrace/streams/stage";
import { expect } from "chai";
import { eventually } from "../support/owner.js";
import { ownBrokersOrSkip } from "../support/broker.js";
import { Proxy } from "./support/proxy.js";
import { fill } from "./support/topics.js";

const STEP_MS = 30_000;
const numbers = (from: number, to: number): readonly string[] =>
  Array.from({ length: to - from }, (_, index) => String(from + index));

/** The error a promise rejects with. */
const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => Promise.reject(new Error("expected a rejection, but the promise resolved")),
    (error: unknown) => error,
  );

describe("a broker that goes away from its consumers", function () {
  this.timeout(90_000);
  let kafka: LocalKafka;

  before(async function () {
    kafka = await ownBrokersOrSkip(this);
  });

  afterEach(() => eventually("every run has ended", () => liveRuns() === 0, STEP_MS));

  // Undefined when the hook above has skipped.
  after(() => (kafka as LocalKafka | undefined)?.stop());

  const send = (topic: string, from: number, to: number): Promise<void> =>
    fill(
      kafka.brokers,
      numbers(from, to).map((value) => ({ topic, partition: 0, key: null, value: Buffer.from(value) })),
    );

  it("B-06 a proxy in front of the broker dies while records are read: all arrive, in order", async () => {
    await kafka.createTopic("proxied", { partitions: 1 });
    const proxy = await Proxy.before(kafka.brokers);
    const read: string[] = [];
    const control = plainSource({
      kafka: { brokers: `${proxy.address},${kafka.brokers}`, groupId: "proxied" },
      topics: ["proxied"],
      autoOffsetReset: "earliest",
      value: string(),
    })
      .toMat(
        Sink.forEach(({ value }) => void read.push(value)),
        DrainingControl.from,
      )
      .run();
    await send("proxied", 0, 100);
    await eventually("the first records", () => read.length >= 100, STEP_MS);
    await proxy.die();
    await send("proxied", 100, 300);
    await eventually("the rest", () => read.length >= 300, STEP_MS);
    await control.drainAndShutdown();
    expect(read).to.deep.equal(numbers(0, 300));
  });

  it("B-07 B-13 B-14 fails those that check their connection, and the others go on when it is back", async () => {
    await kafka.createTopic("outage", { partitions: 1 });
    const run = (groupId: string, settings: Partial<ConsumerSettings>, brokers = kafka.brokers) => {
      const read: string[] = [];
      const control = committableSource({
        kafka: { brokers, groupId },
        topics: ["outage"],
        value: string(),
        lookupTimeoutMs: 1000,
        ...settings,
      })
        .map(({ record, offset }) => {
          read.push(record.value);
          return offset;
        })
        .toMat(committerSink({ maxIntervalMs: 100 }), DrainingControl.from)
        .run();
      return { read, control };
    };
    const connectionChecker = { maxRetries: 1, checkIntervalMs: 200 };
    const patient = run("patient", {});
    const checked = run("checked", { connectionChecker });
    await send("outage", 0, 101);
    await eventually("the first records", () => patient.read.length + checked.read.length >= 202, STEP_MS);
    // No commit may be under way: it would wait for the broker, and fail its stream after commitTimeoutMs.
    const committed = (): boolean =>
      [patient, checked].every(({ control }) => control.explain().partitions[0]?.committed === 101);
    await eventually("commits", committed, STEP_MS);
    const fails = async (ended: Promise<unknown>): Promise<void> => {
      const error = (await rejection(ended)) as ConnectionFailedError;
      expect(error).to.include({ code: "KAFKA_CONNECTION_FAILED", attempts: 2 });
    };
    // Nothing listens at that port.
    const absent = run("absent", { connectionChecker }, "127.0.0.1:1");
    await kafka.broker(1).kill();
    for (const { control } of [checked, absent]) await fails(control.streamCompletion);
    await kafka.broker(1).start();
    await send("outage", 101, 201);
    await eventually("the rest", () => patient.read.length >= 201, STEP_MS);
    expect(patient.read).to.deep.equal(numbers(0, 201));
    const { partitions } = await patient.control.drainAndShutdown();
    expect(partitions.map((each) => each.committed)).to.deep.equal([201]);
    for (const { control } of [checked, absent]) {
      await fails(control.isShutdown);
      await fails(control.drainAndShutdown());
    }
  });

  describe("what the watchdog asks of node-rdkafka", () => {
    for (const assignor of ["range", "cooperative-sticky", undefined]) {
      it(`knows the end that was fetched, and assigns again, ${assignor ?? "by hand"}`, async () => {
        const topic = `again-${assignor ?? "by-hand"}`;
        await kafka.createTopic(topic, { partitions: 2 });
        await send(topic, 0, 10);
        let assigned: readonly TopicPartition[] = [];
        const client: ConsumerClient = rdkafkaDriver.consumer(
          {
            "bootstrap.servers": kafka.brokers,
            "group.id": topic,
            "auto.offset.reset": "earliest",
            ...(assignor && { "partition.assignment.strategy": assignor }),
          },
          {
            onAssign: (partitions) => void (assigned = partitions),
            onRevoke: () => undefined,
            onError: () => undefined,
          },
        );
        await client.connect();
        const read: number[] = [];
        const readUntil = async (count: number): Promise<void> => {
          for (const deadline = performance.now() + STEP_MS; read.length < count && performance.now() < deadline; ) {
            const chunk = await client.poll({ maxRecords: 100, waitMs: 50 });
            for (let index = 0; index < (chunk?.length ?? 0); index++) read.push(chunk?.offset(index) ?? -1);
          }
        };
        const all = [0, 1].map((partition) => ({ topic, partition }));
        if (assignor) client.subscribe({ kind: "topics", topics: [topic] });
        else client.subscribe({ kind: "assignment", partitions: all.map((each) => ({ ...each, offset: 0 })) });
        await readUntil(10);
        expect(assigned).to.have.length(assignor ? 2 : 0);
        expect(client.fetchedWatermarks?.({ topic, partition: 0 })).to.deep.equal({ low: 0, high: 10 });
        expect(client.fetchedWatermarks?.({ topic, partition: 7 })).to.equal(undefined);
        client.reassign?.([
          { topic, partition: 0, offset: 6 },
          { topic, partition: 1, offset: 0 },
        ]);
        await readUntil(14);
        await send(topic, 10, 12);
        await readUntil(16);
        await client.close();
        expect(read).to.deep.equal([...numbers(0, 10), ...numbers(6, 12)].map(Number));
      });
    }
  });
});
