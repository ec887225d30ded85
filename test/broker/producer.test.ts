import {
  committableSink,
  committableSource,
  committerSink,
  DrainingControl,
  isProducerFailure,
  plainSource,
  produce,
  produceMulti,
  producerFlow,
  producerFlowWithContext,
  producerSink,
  SendProducer,
  sharedProducer,
  sourceWithOffsetContext,
  partitionedSourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { Keep, Sink, Source } from "@millrace/streams";
import { liveRuns } from "@millrace/streams/stage";
import { expect } from "chai";
import { eventually } from "../support/owner.js";
import { brokerOrSkip } from "../support/broker.js";
import { Proxy } from "./support/proxy.js";
import { committedPositions } from "./support/topics.js";

const range = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from }, (_, index) => from + index);
const texts = (numbers: readonly number[]): readonly string[] => numbers.map(String);

/** The error a promise rejects with. */
const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => Promise.reject(new Error("expected a rejection, but the promise resolved")),
    (error: unknown) => error,
  );

describe("producers on a real broker", function () {
  this.timeout(60_000);
  let kafka: LocalKafka;
  let topic: string;
  let copy: string;
  let count = 0;

  before(async function () {
    kafka = await brokerOrSkip(this);
  });

  beforeEach(async () => {
    topic = `producers-${process.pid}-${count++}`;
    copy = `${topic}-copy`;
    await Promise.all([topic, copy].map((name) => kafka.createTopic(name, { partitions: 1 })));
  });

  afterEach(() => eventually("every run has ended", () => liveRuns() === 0));

  const settings = () => ({ brokers: kafka.brokers, groupId: `${topic}-group` });
  const group = () => ({ kafka: settings(), topics: [topic], value: string() });
  const toCopy = (value: string) => ({ topic: copy, value });
  const fill = (to: number): Promise<void> =>
    Source.from(range(0, to))
      .map((number) => ({ topic, value: String(number) }))
      .runWith(producerSink({ kafka: settings(), value: string() }));
  const stored = (name: string, records: number): Promise<readonly (string | null)[]> =>
    plainSource({
      kafka: { brokers: kafka.brokers },
      assignment: [{ topic: name, partition: 0, offset: "beginning" }],
      value: string(),
    })
      .take(records)
      .map(({ value }) => value)
      .runWith(Sink.toArray());
  const committed = async (): Promise<number | undefined> =>
    (await committedPositions(kafka.brokers, settings().groupId, topic, 1))[0];

  it("W-25 fails the stream with INVALID_RECORD where the topic's name cannot be", async () => {
    const error = await rejection(
      Source.single({ topic: "no such:topic!", value: "v" }).runWith(
        producerSink({ kafka: settings(), value: string() }),
      ),
    );
    expect(error).to.have.property("code").that.is.oneOf(["INVALID_RECORD", "PRODUCE_FAILED"]);
    expect((error as Error).message).to.match(/topic/i);
  });

  it("W-26 fails with INVALID_SETTINGS where the client refuses the properties", async () => {
    const misconfigured = producerSink({
      kafka: settings(),
      properties: { "compression.codec": "no such" },
      value: string(),
    });
    const run = async (): Promise<void> => Source.single({ topic, value: "v" }).runWith(misconfigured);
    expect(await rejection(run())).to.include({ code: "INVALID_SETTINGS" });
  });

  it("W-33 a misconfigured SendProducer rejects each send, and closes", async () => {
    const sender = SendProducer.create({ kafka: settings(), properties: { "compression.codec": "no such" } });
    expect(await rejection(sender.send({ topic, value: null }))).to.include({ code: "INVALID_SETTINGS" });
    await sender.close();
  });

  it("a record that is too large leaves as a failure, and the stream goes on behind it", async () => {
    const results = await Source.from(["a", "x".repeat(2_000_000), "b"])
      .map((value) => produce({ topic, value }, value.length))
      .via(producerFlow<string, string, number>({ kafka: settings(), value: string(), failures: "element" }))
      .runWith(Sink.toArray());
    expect(results.map((each) => (isProducerFailure(each) ? each.unfinished : each.passThrough))).to.deep.equal([
      1, 2_000_000, 1,
    ]);
    expect(results.map((each) => (isProducerFailure(each) ? each.error : undefined))[1]).to.include({
      code: "INVALID_RECORD",
      clientCode: 10,
    });
    expect(await stored(topic, 2)).to.deep.equal(["a", "b"]);
  });

  it("W-20 W-21 producerSink makes its client of the settings, and stores 100 records in order", async () => {
    await fill(100);
    expect(await stored(topic, 100)).to.deep.equal(texts(range(0, 100)));
  });

  it("W-22 a shared producer serves two sinks and a sender at once, and the order of each holds", async () => {
    const producer = sharedProducer({ kafka: settings() });
    const sink = (name: string): Promise<void> =>
      Source.from(range(0, 2000))
        .map((number) => ({ topic, value: `${name}${number}` }))
        .runWith(producerSink({ producer, value: string() }));
    const sender = SendProducer.create<string, string>({ producer, value: string() });
    const sends = range(0, 500).map((number) => sender.send({ topic, value: `s${number}` }));
    await Promise.all([sink("a"), sink("b"), ...sends]);
    await sender.close();
    expect(producer.users).to.equal(0);
    await producer.close();
    const all = await stored(topic, 4500);
    for (const [name, records] of [
      ["a", 2000],
      ["b", 2000],
      ["s", 500],
    ] as const) {
      const own = all.filter((value) => value?.startsWith(name));
      expect(own).to.deep.equal(range(0, records).map((number) => `${name}${number}`));
    }
  });

  it("W-30 W-31 W-32 send answers the record's place, sendEnvelope those of its records in their order", async () => {
    await using sender = SendProducer.create<string, string>({ kafka: settings(), value: string() });
    expect(await sender.send({ topic, value: "a" })).to.deep.equal({ topic, partition: 0, offset: 0 });
    const one = await sender.sendEnvelope(produceMulti([{ topic, value: "b" }], 1));
    expect(one).to.deep.equal({ metadata: [{ topic, partition: 0, offset: 1 }], passThrough: 1 });
    const three = await sender.sendEnvelope(
      produceMulti(
        ["c", "d", "e"].map((value) => ({ topic, value })),
        3,
      ),
    );
    expect(three.metadata.map(({ offset }) => offset)).to.deep.equal([2, 3, 4]);
    expect(await stored(topic, 5)).to.deep.equal(["a", "b", "c", "d", "e"]);
  });

  it("E-08 a committable source goes into committableSink: all is copied in order, and committed", async () => {
    await fill(200);
    const control = committableSource(group())
      .map(({ record, offset }) => produce(toCopy(record.value ?? ""), offset))
      .toMat(committableSink({ kafka: settings(), value: string() }), DrainingControl.from)
      .run();
    expect(await stored(copy, 200)).to.deep.equal(texts(range(0, 200)));
    await control.drainAndShutdown();
    expect(await committed()).to.equal(200);
  });

  it("K-20 E-09 with context 200 are copied in order, and the group gets nothing afterwards", async () => {
    await fill(200);
    const control = sourceWithOffsetContext(group())
      .map(({ value }) => toCopy(value ?? ""))
      .via(producerFlowWithContext({ kafka: settings(), value: string() }))
      .toMat(committerSink(), DrainingControl.from)
      .run();
    expect(await stored(copy, 200)).to.deep.equal(texts(range(0, 200)));
    await control.drainAndShutdown();
    expect(await committed()).to.equal(200);
    await fill(1);
    const [first] = await committableSource(group())
      .take(1)
      .map(({ record }) => record.offset)
      .runWith(Sink.toArray());
    expect(first).to.equal(200);
  });

  it("K-21 a partitioned source with one sink per partition copies all 10 partitions, over one shared producer", async () => {
    const partitions = 10;
    const wide = `${topic}-wide`;
    await kafka.createTopic(wide, { partitions });
    const producer = sharedProducer({ kafka: settings() });
    await Source.from(range(0, 1000))
      .map((number) => ({ topic: wide, partition: number % partitions, value: String(number) }))
      .runWith(producerSink({ producer, value: string() }));
    const ended: Promise<void>[] = [];
    const [control, assigned] = partitionedSourceWithOffsetContext({ ...group(), topics: [wide] })
      .map(({ source }) => {
        const own = source
          .map(({ value }) => toCopy(value ?? ""))
          .via(producerFlowWithContext({ producer, value: string() }))
          .toMat(committerSink(), Keep.right)
          .run();
        ended.push(own);
      })
      .toMat(Sink.ignore, Keep.both)
      .run();
    const copies = await stored(copy, 1000);
    expect([...copies].map(Number).toSorted((a, b) => a - b)).to.deep.equal(range(0, 1000));
    await control.drainAndShutdown(assigned);
    await Promise.all(ended);
    await producer.close();
    const positions = await committedPositions(kafka.brokers, settings().groupId, wide, partitions);
    expect(positions).to.deep.equal(range(0, partitions).map(() => 100));
  });

  it("B-05 a proxy in front of the broker dies while records are sent: all arrive, in order", async () => {
    const proxy = await Proxy.before(kafka.brokers);
    try {
      let sent = 0;
      const done = Source.from(range(0, 3000))
        .throttle({ elements: 100, perMs: 20 })
        .map((number) => {
          sent = number;
          return { topic, value: String(number) };
        })
        .runWith(producerSink({ kafka: { brokers: `${proxy.address},${kafka.brokers}` }, value: string() }));
      await eventually("a third is sent", () => sent >= 1000);
      await proxy.die();
      await done;
    } finally {
      await proxy.die();
    }
    expect(await stored(topic, 3000)).to.deep.equal(texts(range(0, 3000)));
  });
});
