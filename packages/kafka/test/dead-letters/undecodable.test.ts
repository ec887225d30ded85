import {
  atMostOnceSource,
  type Committable,
  committablePartitionedSource,
  committableSource,
  committerSink,
  deadLetters,
  type DeadLetterOptions,
  type Deserializer,
  DrainingControl,
  KafkaConnectorError,
  plainSource,
  readDeadLetter,
  sharedConsumer,
  sourceWithOffsetContext,
} from "@millrace/kafka";
import { Keep, Sink } from "@millrace/streams";
import { settle } from "@millrace/streams-testkit";
import { expect } from "chai";
import { LetterRig } from "../support/letter-rig.js";
import { p0, p1 } from "../support/pipelines.js";
import { rejectionOf, until } from "../support/until.js";

const number: Deserializer<number> = {
  decode(bytes) {
    const value = Number(bytes?.toString());
    if (Number.isNaN(value)) throw new TypeError("not a number");
    return value;
  },
};

describe("a record that cannot be decoded, with dead letters", () => {
  let rig: LetterRig;
  beforeEach(() => {
    rig = new LetterRig();
  });
  afterEach(() => rig.kafka.verify());

  const settings = (options?: DeadLetterOptions) => ({
    ...rig.settings,
    value: number,
    undecodable: deadLetters(options),
  });
  const graphs = {
    committable: (options?: DeadLetterOptions) =>
      committableSource(settings(options))
        .map(({ offset }): Committable => offset)
        .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
    followed: (options?: DeadLetterOptions) =>
      sourceWithOffsetContext(settings(options)).toMat(committerSink({ maxIntervalMs: 1 }), DrainingControl.from),
    partitioned: (options?: DeadLetterOptions) =>
      committablePartitionedSource(settings(options), (source) =>
        source.map(({ offset }): Committable => offset).toMat(committerSink({ maxBatch: 1 }), Keep.right),
      ).toMat(Sink.ignore, DrainingControl.from),
    "at most once": (options?: DeadLetterOptions) =>
      atMostOnceSource(settings(options)).toMat(Sink.ignore, DrainingControl.from),
  };
  const headers = [["trace", Buffer.from([0xff, 0])]] as const;

  for (const [surface, graph] of Object.entries(graphs)) {
    it(`is written as it came, and committed once that is stored, on the surface ${surface}`, async () => {
      let acknowledge: () => void = () => undefined;
      rig.onSent = (producer, sent) => (acknowledge = () => producer.acknowledge(...sent.map(({ id }) => id)));
      const control = graph().run({ clock: rig.clock });
      await rig.client.assign(p0, p1);
      rig.client.give([
        { ...p1, offset: 6, key: "k", value: "1" },
        { ...p1, offset: 7, key: "k", value: "bad", headers, timestamp: 99 },
        { ...p1, offset: 8, key: "k", value: "3" },
      ]);
      await rig.meanwhile(() => rig.sent.length === 1, "the letter");
      const { record } = rig.sent[0]!;
      expect(record).to.deep.include({
        topic: "t-dlt",
        partition: 1,
        key: Buffer.from("k"),
        value: Buffer.from("bad"),
      });
      // Retention would delete an old one at once.
      expect(record.timestamp).to.equal(undefined);
      expect(record.headers?.[0]).to.deep.equal(headers[0]);
      expect(readDeadLetter({ headers: record.headers ?? [] })).to.deep.include({
        dialect: "spring",
        original: { topic: "t", partition: 1, offset: 7, timestamp: 99, group: "g" },
      });
      await rig.meanwhile(() => rig.committed.at(-1) === 7, "the commit of what stood before it");
      await rig.clock.advance(1000);
      await settle();
      expect(rig.committed.at(-1)).to.equal(7);
      acknowledge();
      await rig.meanwhile(() => rig.committed.at(-1) === 9, "the commit");
      expect(control.metrics()).to.include({ parked: 1, discarded: 0 });
      await control.drainAndShutdown();
      expect(rig.kafka.producers.every(({ closes }) => closes.length === 1)).to.equal(true);
    });
  }

  it("is passed over by a source that commits nothing, once it is stored", async () => {
    const values: number[] = [];
    const control = plainSource(settings())
      .map(({ value }) => void values.push(value))
      .toMat(Sink.ignore, DrainingControl.from)
      .run({ clock: rig.clock });
    await rig.client.assign(p0);
    rig.client.give(["1", "bad", "bad", "4"].map((value, offset) => ({ ...p0, offset, value })));
    await rig.meanwhile(() => values.length === 2, "the good ones");
    rig.client.give([{ ...p0, offset: 4, value: "5" }]);
    await rig.meanwhile(() => values.length === 3, "one that comes later");
    expect(values).to.deep.equal([1, 4, 5]);
    expect(
      rig.sent.map(({ record }) => readDeadLetter({ headers: record.headers ?? [] })?.original.offset),
    ).to.deep.equal([1, 2]);
    await control.drainAndShutdown();
  });

  it("is written also by a source that shares its client", async () => {
    await using shared = sharedConsumer({ kafka: rig.settings.kafka });
    const values: number[] = [];
    const control = plainSource({ consumer: shared, assignment: [p0], value: number, undecodable: deadLetters() })
      .map(({ value }) => void values.push(value))
      .toMat(Sink.ignore, DrainingControl.from)
      .run({ clock: rig.clock });
    await until(() => shared.assignment().length === 1, "the partition");
    rig.client.give(["bad", "2"].map((value, offset) => ({ ...p0, offset, value })));
    await rig.meanwhile(() => values.length === 1, "the good one");
    expect(rig.sent.map(({ record }) => String(record.value))).to.deep.equal(["bad"]);
    await control.drainAndShutdown();
  });

  it("goes to any partition where the topic has fewer", async () => {
    rig.topics.set("t-dlt", 1);
    const control = graphs.followed().run({ clock: rig.clock });
    await rig.client.assign(p1);
    rig.client.give([{ ...p1, offset: 0, value: "bad" }]);
    await rig.meanwhile(() => rig.sent.length === 1, "the letter");
    expect(rig.sent[0]?.record).not.to.have.property("partition");
    await control.drainAndShutdown();
  });

  it("is written again, later each time, until it is stored; its partition waits, and it is said", async () => {
    let fails = 3;
    rig.onSent = (producer, sent) => {
      for (const { id } of sent) {
        if (fails-- > 0) setImmediate(() => producer.fail(id, new KafkaConnectorError("PRODUCE_FAILED", "no broker")));
        else setImmediate(() => producer.acknowledge(id));
      }
    };
    const control = graphs.followed().run({ clock: rig.clock });
    await rig.client.assign(p0, p1);
    rig.client.give([
      { ...p0, offset: 0, value: "bad" },
      { ...p0, offset: 1, value: "2" },
      { ...p1, offset: 0, value: "1" },
    ]);
    await until(() => rig.sent.length === 2, "the second try");
    await until(() => control.explain().partitions[0]?.held?.why !== undefined, "the failure");
    expect(control.explain().partitions[0]?.held).to.include({
      offset: 0,
      waitsFor: "its dead letter to be written",
      why: "no broker",
    });
    expect(control.health()).to.deep.include({ live: true, ready: false });
    expect(control.health().reasons.map(({ code }) => code)).to.deep.equal(["DEAD_LETTER_FAILED"]);
    expect(control.metrics().delivered).to.equal(1);
    await rig.meanwhile(() => rig.committed.includes(2), "the commit");
    expect(rig.sent).to.have.length(4);
    expect(rig.warnings).to.include("kafka consumer: a record waits for its dead letter to be written: no broker");
    expect(control.health().reasons).to.deep.equal([]);
    await control.drainAndShutdown();
  });

  it("fails the stream where it is too large also without its stack and message, and stays", async () => {
    const sizes: number[] = [];
    rig.kafka.onProducer = (producer) => {
      producer.refuse = ({ headers: written = [] }) => {
        sizes.push(written.length);
        return new KafkaConnectorError("INVALID_RECORD", "too large", { reason: "tooLarge" });
      };
    };
    const control = graphs.followed({ headers: "plain" }).run({ clock: rig.clock });
    await rig.client.assign(p0);
    rig.client.give([{ ...p0, offset: 4, value: "bad" }]);
    const error = (await rejectionOf(control.streamCompletion)) as Error;
    expect(error).to.include({ code: "DEAD_LETTER_TOO_LARGE" });
    expect(error.message).to.match(/^t\[0\]@4 is larger than t-dlt takes.*Raise max\.message\.bytes of t-dlt/);
    expect(sizes).to.have.length(3);
    expect(sizes[0]).to.be.greaterThan(sizes[1]!);
    expect(rig.committed).to.deep.equal([]);
  });

  it("refuses to start where there is no topic for it, and says what makes one", async () => {
    rig.topics.delete("t-dlt");
    const control = graphs.followed().run({ clock: rig.clock });
    const error = (await rejectionOf(control.streamCompletion)) as Error;
    expect(error).to.include({ code: "TOPIC_NOT_FOUND" });
    expect(error.message).to.equal(
      "There is no topic t-dlt, to which records of t that fail are to be written. Create it (kafka-topics.sh --create --topic t-dlt --partitions 2), or let deadLetters({ createTopics: true }) do so.",
    );
  });

  it("makes the topic where it may, with the partitions and copies of the record's", async () => {
    rig.topics.delete("t-dlt");
    const control = graphs.followed({ createTopics: true }).run({ clock: rig.clock });
    await rig.client.assign(p1);
    rig.client.give([{ ...p1, offset: 0, value: "bad" }]);
    await rig.meanwhile(() => rig.committed.at(-1) === 1, "the commit");
    expect(rig.created).to.deep.equal([
      { topic: "t-dlt", partitions: 2, replicationFactor: 2, config: { "cleanup.policy": "delete" } },
    ]);
    await control.drainAndShutdown();
  });

  it("is written to a topic that another process has made meanwhile", async () => {
    rig.topics.delete("t-dlt");
    rig.onCreate = () => {
      rig.topics.set("t-dlt", 2);
      throw new KafkaConnectorError("TOPIC_EXISTS", "there is one");
    };
    const control = graphs.followed({ createTopics: true }).run({ clock: rig.clock });
    await rig.client.assign(p1);
    rig.client.give([{ ...p1, offset: 0, value: "bad" }]);
    await rig.meanwhile(() => rig.committed.at(-1) === 1, "the commit");
    await control.drainAndShutdown();
  });

  it("waits for a topic that is only known with the record, until there is one", async () => {
    const control = graphs.followed({ topic: () => "later" }).run({ clock: rig.clock });
    await rig.client.assign(p0);
    rig.client.give([{ ...p0, offset: 0, value: "bad" }]);
    await until(() => control.explain().partitions[0]?.held?.why !== undefined, "the failure");
    expect(control.explain().partitions[0]?.held?.why).to.match(/^There is no topic later, to which records of t/);
    rig.topics.set("later", 1);
    await rig.meanwhile(() => rig.committed.at(-1) === 1, "the commit");
    await control.drainAndShutdown();
  });

  it("looks again where its partition is not there any more", async () => {
    let sent = 0;
    rig.onSent = (producer, [first]) => {
      const { id } = first!;
      if (sent++ > 0) return setImmediate(() => producer.acknowledge(id));
      rig.topics.set("t-dlt", 1);
      const error = new KafkaConnectorError("PRODUCE_FAILED", "no such partition", { reason: "notFound" });
      return setImmediate(() => producer.fail(id, error));
    };
    const control = graphs.followed().run({ clock: rig.clock });
    await rig.client.assign(p1);
    rig.client.give([{ ...p1, offset: 0, value: "bad" }]);
    await rig.meanwhile(() => rig.committed.at(-1) === 1, "the commit");
    expect(rig.sent.map(({ record }) => record.partition)).to.deep.equal([1, undefined]);
    await control.drainAndShutdown();
  });

  it("goes where the function says, which is asked with its error", async () => {
    rig.topics.set("t-TypeError", 2);
    const asked: unknown[] = [];
    const topic: DeadLetterOptions["topic"] = ({ topic: of, error }) => {
      asked.push(error);
      return `${of}-${((error as Error).cause as Error).name}`;
    };
    const control = graphs.followed({ topic }).run({ clock: rig.clock });
    await rig.client.assign(p0);
    rig.client.give([{ ...p0, offset: 0, value: "bad" }]);
    await rig.meanwhile(() => rig.sent.length === 1, "the letter");
    expect(rig.sent[0]?.record.topic).to.equal("t-TypeError");
    expect(asked[0]).to.include({ code: "DESERIALIZATION_FAILED", part: "value" });
    await control.drainAndShutdown();
  });

  it("fails the stream where the function answers no other topic", async () => {
    for (const [answer, message] of [
      ["t", /answered the record's own topic for a record of t\./],
      [undefined, /answered undefined for a record of t\./],
    ] as const) {
      rig = new LetterRig();
      const control = graphs.followed({ topic: () => answer as string }).run({ clock: rig.clock });
      await rig.client.assign(p0);
      rig.client.give([{ ...p0, offset: 0, value: "bad" }]);
      const error = (await rejectionOf(control.streamCompletion)) as Error;
      expect(error).to.include({ code: "INVALID_SETTINGS" });
      expect(error.message).to.match(message);
    }
  });

  it("is written without bytes in headers where the driver cannot send them, and Spring's words are refused there", async () => {
    rig.kafka.sendsBytesInHeaders = false;
    expect(() => graphs.followed({ headers: "spring" })).to.throw(
      /needs bytes in headers.*the driver fake sends only text/,
    );
    const control = graphs.followed().run({ clock: rig.clock });
    await rig.client.assign(p0);
    rig.client.give([{ ...p0, offset: 0, value: "bad", headers }]);
    await rig.meanwhile(() => rig.sent.length === 1, "the letter");
    const written = rig.sent[0]!.record.headers!;
    expect(written[0]?.[0]).to.equal("millrace-b64-trace");
    expect(readDeadLetter({ headers: written })?.dialect).to.equal("plain");
    await control.drainAndShutdown();
  });

  it("is neither committed nor passed over where its partition was given up while it was written", async () => {
    let acknowledge: () => void = () => undefined;
    rig.onSent = (producer, sent) => (acknowledge = () => producer.acknowledge(...sent.map(({ id }) => id)));
    const control = graphs.followed().run({ clock: rig.clock });
    await rig.client.assign(p0);
    rig.client.give([{ ...p0, offset: 0, value: "bad" }]);
    await until(() => rig.sent.length === 1, "the letter");
    await rig.client.revoke(p0);
    acknowledge();
    await rig.clock.advance(1000);
    await settle();
    expect(rig.committed).to.deep.equal([]);
    await control.drainAndShutdown();
  });

  it("refuses options that are none", () => {
    for (const options of [{ header: "plain" }, { headers: "connect" }, { topic: 7 }, { createTopics: "yes" }])
      expect(() => deadLetters(options as never))
        .to.throw(/^deadLetters: /)
        .with.property("code", "INVALID_SETTINGS");
  });
});
