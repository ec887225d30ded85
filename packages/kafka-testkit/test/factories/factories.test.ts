import {
  type CommittableMessage,
  committableSource,
  type CommittableOffset,
  committerSink,
  type Control,
  DrainingControl,
  passThrough,
  produce,
  type ProducerEnvelope,
  type ProducerResult,
} from "@millrace/kafka";
import { attachControl, producerResult, producerResults, SimulatedKafka, TestConsumer } from "@millrace/kafka-testkit";
import { type Flow, type RunnableGraph, Sink, Source } from "@millrace/streams";
import { assertAllClosed, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { eventually } from "../../../../test/support/owner.js";

type Order = CommittableMessage<string, string>;
type Envelope = ProducerEnvelope<string, string, CommittableOffset>;

/** The graph of some service: what it reads from and what it sends by are handed in. */
const shipping = (
  orders: Source<Order, Control>,
  send: Flow<Envelope, ProducerResult<CommittableOffset>>,
): RunnableGraph<DrainingControl<void>> =>
  orders
    .map(({ record, offset }): Envelope => {
      return record.value === "" ? passThrough(offset) : produce({ topic: "parcels", value: record.value }, offset);
    })
    .via(send)
    .map((result) => result.passThrough)
    .toMat(committerSink({ maxBatch: 2 }), DrainingControl.from);

const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe("a committable flow without a broker", () => {
  const orders = (consumer: TestConsumer, ...values: readonly string[]): Source<Order> =>
    Source.from(values.map((value) => consumer.message({ topic: "orders", value })));

  it("fails with the error of a commit", () =>
    assertAllClosed(async () => {
      const consumer = new TestConsumer();
      const refusal = new Error("refused");
      consumer.failCommits(refusal);
      const control = shipping(attachControl(orders(consumer, "book")), producerResults()).run();
      expect(await failureOf(control.isShutdown)).to.equal(refusal);
      expect(consumer.committed).to.deep.equal([]);
      consumer.failCommits(undefined);
      await shipping(attachControl(orders(consumer, "book")), producerResults()).run().isShutdown;
      expect(consumer.commits).to.have.length(1);
    }));

  it("refuses what only a consumer can do", async () => {
    const control = attachControl(Source.empty()).to(Sink.ignore).run();
    const calls = [
      async () => control.explain(),
      async () => control.pause(),
      async () => control.resume(),
      async () => control.metrics(),
      () => control.seek([]),
      () => control.replayFrom(0),
      () => control.lag(),
    ];
    for (const call of calls) expect(await failureOf(call())).to.include({ code: "NOT_SUPPORTED" });
    expect(control.assignment()).to.deep.equal([]);
    expect(control.report()).to.deep.equal([]);
  });

  it("E-20 is fed messages, answers of a producer and a control, and what it commits is seen", () =>
    assertAllClosed(async () => {
      const consumer = new TestConsumer();
      const sent: Envelope[] = [];
      const control = shipping(attachControl(orders(consumer, "book", "", "lamp")), producerResults(sent)).run();
      await control.isShutdown;
      expect(await control.drainAndShutdown()).to.include({ result: undefined, expectedReplays: 0 });
      expect(sent.flatMap(({ records }) => records.map(({ value }) => value))).to.deep.equal(["book", "lamp"]);
      expect(consumer.commits.flat().map(({ position }) => position)).to.deep.equal([2, 3]);
      expect(consumer.committed).to.deep.equal([{ topic: "orders", partition: 0, offset: 3 }]);
    }));

  it("E-20 ends when the control drains it, although its source does not", () =>
    assertAllClosed(async () => {
      const consumer = new TestConsumer();
      const source = Source.queue<Order>(10).mapMaterializedValue((queue) => {
        queue.offer(consumer.message({ topic: "orders", value: "book" }));
      });
      const sent: Envelope[] = [];
      const control = shipping(attachControl(source), producerResults(sent)).run();
      await eventually("the order has come", () => sent.length === 1);
      await control.drainAndShutdown();
      expect(consumer.committed).to.deep.equal([{ topic: "orders", partition: 0, offset: 1 }]);
    }));

  it("is given messages as the record says, with defaults", () => {
    const consumer = new TestConsumer("shipping");
    const [first, second, other] = [
      consumer.message({ topic: "t", value: 1, offset: 7, metadata: "m" }),
      consumer.message({ topic: "t", value: 2, key: "k", headers: [["h", Buffer.from("v")]] }),
      consumer.message({ topic: "t", value: 3, partition: 1, timestamp: 5 }),
    ];
    expect(first.record).to.deep.equal({
      topic: "t",
      partition: 0,
      offset: 7,
      timestamp: -1,
      key: null,
      value: 1,
      headers: [],
    });
    expect(first.offset).to.include({ topic: "t", partition: 0, offset: 7, metadata: "m", groupId: "shipping" });
    expect(second.record).to.include({ offset: 8, key: "k" });
    expect(other.record).to.include({ partition: 1, offset: 0, timestamp: 5 });
  });

  it("is answered where the records were stored", () => {
    const envelope = {
      records: [
        { topic: "t", value: 1 },
        { topic: "u", value: 2, partition: 3 },
      ],
      passThrough: "p",
    };
    expect(producerResult(envelope, 5)).to.deep.equal({
      metadata: [
        { topic: "t", partition: 0, offset: 5 },
        { topic: "u", partition: 3, offset: 6 },
      ],
      passThrough: "p",
    });
  });

  it("E-07 commits metadata with the offset, on the simulated cluster as well", () =>
    assertAllClosed(async () => {
      const clock = virtualClock();
      const cluster = new SimulatedKafka({ seed: 1, clock });
      cluster.createTopic("orders", 1);
      cluster.append("orders", 0, { value: "book" }, { value: "lamp" });
      const control = committableSource({
        kafka: { brokers: "simulated", groupId: "shipping", driver: cluster.driver },
        topics: ["orders"],
        metadata: ({ offset, timestamp }) => `${offset} of ${timestamp}`,
      })
        .map(({ offset }) => offset)
        .toMat(committerSink(), DrainingControl.from)
        .run({ clock });
      await clock.advance(20_000);
      await Promise.all([control.drainAndShutdown(), clock.advance(20_000)]);
      expect(cluster.committed("shipping")).to.deep.equal([
        { topic: "orders", partition: 0, offset: 2, metadata: "1 of 0" },
      ]);
    }));
});
