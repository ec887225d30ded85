import {
  CommittableOffsetBatch,
  committableSource,
  committerSink,
  DrainingControl,
  passThrough,
  plainSource,
  produce,
  type ProducerEnvelope,
  producerFlow,
  producerSink,
  produceMulti,
  string,
} from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { Keep, type RunnableGraph, Sink, Source } from "@millrace/streams";
import { liveRuns } from "@millrace/streams/stage";
import { expect } from "chai";
import { eventually } from "../support/owner.js";
import { brokerOrSkip } from "../support/broker.js";
import { committedPositions } from "./support/topics.js";

const range = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from }, (_, index) => from + index);

describe("conformance on a real broker", function () {
  this.timeout(60_000);
  let kafka: LocalKafka;
  let topic: string;
  let count = 0;
  const running: DrainingControl<unknown>[] = [];

  before(async function () {
    kafka = await brokerOrSkip(this);
  });

  beforeEach(async () => {
    topic = `conformance-${process.pid}-${count++}`;
    await kafka.createTopic(topic, { partitions: 1 });
  });

  afterEach(async () => {
    await Promise.all(running.splice(0).map((control) => control.drainAndShutdown().catch(() => undefined)));
    await eventually("every client is closed", () => liveRuns() === 0);
  });

  const settings = (groupId: string) => ({ brokers: kafka.brokers, groupId });
  const group = (name = "group"): string => `${topic}-${name}`;
  const committed = async (): Promise<number> => (await committedPositions(kafka.brokers, group(), topic, 1))[0] ?? 0;

  /** Numbers as text, one record each. */
  const produceNumbers = (to: number): Promise<void> =>
    Source.from(range(0, to))
      .map((number) => ({ topic, value: String(number) }))
      .runWith(producerSink({ kafka: settings(group()), value: string() }));

  const messages = (groupId = group()) =>
    committableSource({
      kafka: settings(groupId),
      topics: [topic],
      value: string(),
      properties: { "auto.offset.reset": "earliest" },
    });

  /** What a restarted consumer of the group gets; commits nothing. */
  const reads = (records: number, groupId = group()): Promise<readonly number[]> =>
    messages(groupId)
      .take(records)
      .map(({ record }) => Number(record.value))
      .runWith(Sink.toArray());

  function start<T>(graph: RunnableGraph<DrainingControl<T>>): DrainingControl<T> {
    const control = graph.run();
    running.push(control);
    return control;
  }

  it("C-40 uncommitted messages are delivered again to the same group after a restart, committed ones are not, and another group sees all", async () => {
    await produceNumbers(30);
    const seen: number[] = [];
    const control = start(
      messages()
        .map(({ record, offset }) => {
          seen.push(Number(record.value));
          return Number(record.value) < 10 ? offset : undefined;
        })
        .collect((offset) => offset)
        .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
    );
    await eventually("all are seen", () => seen.length === 30);
    await control.drainAndShutdown();
    expect(await reads(20)).to.deep.equal(range(10, 30));
    expect(await reads(30, group("other"))).to.deep.equal(range(0, 30));
  });

  it("C-44 consumption resumes right after the last commit of batch(10)", async () => {
    await produceNumbers(200);
    const sizes: number[] = [];
    const seen: number[] = [];
    const first = start(
      messages()
        .take(75)
        .map(({ record, offset }) => {
          seen.push(Number(record.value));
          return offset;
        })
        .batch(10, CommittableOffsetBatch.of, (batch, offset) => batch.updated(offset))
        .map((batch) => {
          sizes.push(batch.size);
          return batch;
        })
        .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
    );
    await first.streamCompletion;
    expect(Math.max(...sizes)).to.be.at.most(10);
    expect(seen).to.deep.equal(range(0, 75));
    await first.drainAndShutdown();
    expect(await committed()).to.equal(75);
    expect(await reads(125)).to.deep.equal(range(75, 200));
  });

  it("C-45 after a failure inside a batch a restart processes at most maxBatch again", async () => {
    await produceNumbers(100);
    const processed: number[] = [];
    const boom = new Error("boom");
    const failing = start(
      messages()
        .map(({ record, offset }) => {
          if (record.value === "57") throw boom;
          processed.push(Number(record.value));
          return offset;
        })
        .toMat(committerSink({ maxBatch: 10, maxIntervalMs: 60_000 }), DrainingControl.from),
    );
    const failure: unknown = await failing.streamCompletion.catch((error: unknown) => error);
    expect(failure).to.equal(boom);
    await failing.drainAndShutdown().catch(() => undefined);
    expect(processed).to.deep.equal(range(0, 57));
    const [resumed = Number.NaN] = await reads(1);
    expect(resumed).to.be.within(57 - 10, 57);
  });

  it("S-30 100 elements go from producerSink to plainSource in order", async () => {
    await produceNumbers(100);
    const [control, elements] = plainSource({
      kafka: { brokers: kafka.brokers },
      assignment: [{ topic, partition: 0, offset: "beginning" }],
      value: string(),
    })
      .take(100)
      .map(({ value }) => Number(value))
      .toMat(Sink.toArray(), Keep.both)
      .run();
    expect(await elements).to.deep.equal(range(0, 100));
    await control.isShutdown;
  });

  it("S-32 a committable source goes through producerFlow into batched commits", async () => {
    const copy = `${topic}-copy`;
    await kafka.createTopic(copy, { partitions: 1 });
    await produceNumbers(100);
    let produced = 0;
    const control = start(
      messages()
        .map(({ record, offset }) => produce({ topic: copy, value: `copy of ${record.value}` }, offset))
        .via(producerFlow({ kafka: settings(group()), value: string() }))
        .map((result) => {
          produced += 1;
          return result.passThrough;
        })
        .batch(20, CommittableOffsetBatch.of, (batch, offset) => batch.updated(offset))
        .toMat(committerSink(), DrainingControl.from),
    );
    await eventually("all are produced", () => produced === 100);
    await control.drainAndShutdown();
    expect(await committed()).to.equal(100);
    const copies = await plainSource({
      kafka: { brokers: kafka.brokers },
      assignment: [{ topic: copy, partition: 0, offset: "beginning" }],
      value: string(),
    })
      .take(100)
      .map(({ value }) => value)
      .runWith(Sink.toArray());
    expect(copies).to.deep.equal(range(0, 100).map((number) => `copy of ${number}`));
  });

  it("W-24 producerFlow answers 100 envelopes of one record, of several and of none, in order", async () => {
    const envelopeOf = (number: number): ProducerEnvelope<string, string, number> => {
      if (number % 3 === 0) return produce({ topic, value: `single ${number}` }, number);
      if (number % 3 === 1) {
        return produceMulti(
          ["a", "b"].map((part) => ({ topic, value: `multi ${number}${part}` })),
          number,
        );
      }
      return passThrough(number);
    };
    const results = await Source.from(range(0, 100))
      .map(envelopeOf)
      .via(producerFlow({ kafka: settings(group()), value: string() }))
      .runWith(Sink.toArray());
    expect(results.map((result) => result.passThrough)).to.deep.equal(range(0, 100));
    let next = 0;
    for (const { passThrough: number, metadata } of results) {
      const offsets = [[next], [next, next + 1], []][number % 3] ?? [];
      expect(metadata).to.deep.equal(offsets.map((offset) => ({ topic, partition: 0, offset })));
      next += offsets.length;
    }
  });
});
