import { Keep, Sink, Supervision } from "@millrace/streams";
import {
  committableSource,
  committerSink,
  DrainingControl,
  KafkaConnectorError,
  plainSource,
  string,
} from "@millrace/kafka";
import { assertAllClosed, checked, sinkProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { type FakeRecord, records } from "../../support/fake-chunk.js";
import { FakeKafka } from "../../support/fake-kafka.js";
import { gather, type Message, p0, p1, source } from "../../support/pipelines.js";
import { morePolls, rejectionOf, until } from "../../support/until.js";
import { Latch } from "../../../../../test/support/latch.js";

/** Text, but for `poison`. */
const picky = {
  decode: (value: Buffer | null): string => {
    if (value?.toString() === "poison") throw new TypeError("poison");
    return String(value);
  },
};

describe("a consumer source", () => {
  let kafka: FakeKafka;
  beforeEach(() => {
    kafka = new FakeKafka();
  });
  afterEach(() => kafka.verify());

  const polls = async (count = 3): Promise<void> => {
    await morePolls(kafka.client, count);
  };

  it("reports a record without output as processed once a later offset of its partition is committed", () =>
    assertAllClosed(async () => {
      const control = source(kafka)
        .mapConcat(({ record, offset }) => (record.offset === 2 ? [offset] : []))
        .toMat(committerSink({ maxIntervalMs: 1 }), DrainingControl.from)
        .run();
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 0, 3));
      await until(() => kafka.client.of("commit").length > 0, "a commit");
      const report = await control.drainAndShutdown();
      expect(report).to.include({ delivered: 3, processed: 3, discarded: 0, expectedReplays: 0 });
    }));

  describe("failing", () => {
    it("fails with the client's error when it cannot connect, and closes it", () =>
      assertAllClosed(async () => {
        const broken = new KafkaConnectorError("CONNECT_FAILED", "no broker");
        kafka.onConsumer = (consumer) => {
          consumer.connecting = Promise.reject(broken);
        };
        const { done, control } = gather(kafka);
        expect(await rejectionOf(done)).to.equal(broken);
        await control.isShutdown;
        expect(kafka.client.calls.map(({ call }) => call)).to.deep.equal(["connect", "close"]);
      }));

    it("closes a client that is still connecting when downstream leaves", () =>
      assertAllClosed(async () => {
        const connected = new Latch();
        kafka.onConsumer = (consumer) => {
          consumer.connecting = connected.opened;
        };
        const { control, done } = gather(kafka);
        const closing = control.shutdown();
        connected.open();
        await Promise.all([closing, done]);
        expect(kafka.client.of("subscribe")).to.have.length(0);
        expect(kafka.client.of("poll")).to.have.length(0);
      }));

    it("polls on after a retriable error, and loses nothing", () =>
      assertAllClosed(async () => {
        const { messages, control } = gather(kafka);
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 0, 2));
        kafka.client.failPoll(new KafkaConnectorError("POLL_FAILED", "timed out", { retriable: true }));
        kafka.client.give(records("t", 0, 2, 2));
        await until(() => messages.length === 4, "all messages");
        await control.shutdown();
        expect(messages.map(({ record }) => record.offset)).to.deep.equal([0, 1, 2, 3]);
      }));

    it("fails when the client reports a fatal error, after what was read, and not when it reports another", () =>
      assertAllClosed(async () => {
        const { messages, done, control } = gather(kafka);
        await kafka.client.assign(p0);
        kafka.client.listener.onError(new KafkaConnectorError("CLIENT_FAILED", "a broker is gone"));
        kafka.client.give(records("t", 0, 0, 2));
        await until(() => messages.length === 2, "messages");
        const fatal = new KafkaConnectorError("CLIENT_FAILED", "fenced", { fatal: true });
        kafka.client.listener.onError(fatal);
        expect(await rejectionOf(done)).to.equal(fatal);
        await control.isShutdown;
      }));

    it("fails when pausing fails, instead of ending the process", () =>
      assertAllClosed(async () => {
        const gate = new Latch();
        const [control, done] = source(kafka, { maxBufferedRecords: 1 })
          .mapAsync(1, () => gate.opened)
          .toMat(Sink.ignore, Keep.both)
          .run();
        const broken = new Error("pause");
        kafka.client.onPause = () => {
          throw broken;
        };
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 0, 4));
        await until(() => kafka.client.of("pause").length > 0, "a pause");
        gate.open();
        expect(await rejectionOf(done)).to.equal(broken);
        await control.isShutdown;
      }));

    it("stays failed, whatever arrives afterwards (P4)", () =>
      assertAllClosed(async () => {
        const checks = checked();
        const [control, probe] = source(kafka).toMat(sinkProbe<Message>(), Keep.both).run({ wrap: checks.wrap });
        await kafka.client.assign(p0);
        kafka.client.failPoll(new Error("poll"));
        await probe.expectError();
        checks.verify();
        await control.isShutdown;
      }));
  });

  describe("decoding", () => {
    const poisoned: readonly FakeRecord[] = [
      { ...p0, offset: 0, value: "a" },
      { ...p0, offset: 1, value: "b" },
      { ...p0, offset: 2, value: "poison" },
      { ...p0, offset: 3, value: "c" },
    ];

    it("delivers what precedes a poison record, then fails with its place and what to do", () =>
      assertAllClosed(async () => {
        const seen: string[] = [];
        const done = plainSource({ kafka: kafka.settings, topics: ["t"], value: picky }).runWith(
          Sink.forEach((record) => {
            seen.push(record.value);
          }),
        );
        await kafka.client.assign(p0);
        kafka.client.give(poisoned);
        const error = await rejectionOf(done);
        expect(seen).to.deep.equal(["a", "b"]);
        expect(error).to.include({ code: "DESERIALIZATION_FAILED" });
        expect((error as Error).message)
          .to.match(/value of t\[0\]@2/)
          .and.match(/undecodable: discard/);
        expect((error as Error).cause).to.be.instanceOf(TypeError);
      }));

    it("fails with DECIDER_FAILED where the decider throws", () =>
      assertAllClosed(async () => {
        const cause = new Error("the decider's own");
        const done = committableSource({ kafka: kafka.settings, topics: ["t"], value: picky })
          .withAttributes({
            supervision: () => {
              throw cause;
            },
          })
          .runWith(Sink.ignore);
        await kafka.client.assign(p0);
        kafka.client.give(poisoned);
        expect(await rejectionOf(done)).to.include({ code: "DECIDER_FAILED", cause });
      }));

    it("skips a poison record with resume, and the next offset covers it", () =>
      assertAllClosed(async () => {
        const [control, done] = committableSource({ kafka: kafka.settings, topics: ["t"], value: picky })
          .withAttributes({ supervision: Supervision.resumingDecider })
          .take(3)
          .toMat(Sink.toArray(), Keep.both)
          .run();
        await kafka.client.assign(p0);
        kafka.client.give(poisoned);
        expect((await done).map(({ record }) => record.value)).to.deep.equal(["a", "b", "c"]);
        await control.isShutdown;
      }));

    it("names the key when it is the key that cannot be decoded", () =>
      assertAllClosed(async () => {
        const done = plainSource({ kafka: kafka.settings, topics: ["t"], key: picky }).runWith(Sink.ignore);
        await kafka.client.assign(p0);
        kafka.client.give([{ ...p0, offset: 9, key: "poison" }]);
        expect(((await rejectionOf(done)) as Error).message).to.match(/The key of t\[0\]@9/);
      }));

    it("gives key, value, headers and timestamp, and null where there is none", () =>
      assertAllClosed(async () => {
        const { messages, control } = gather(kafka);
        await kafka.client.assign(p0);
        const headers = [["h", Buffer.from("1")]] as const;
        kafka.client.give([
          { ...p0, offset: 0, key: "k", value: "v", headers, timestamp: 5 },
          { ...p0, offset: 1 },
        ]);
        await until(() => messages.length === 2, "messages");
        await control.shutdown();
        expect(messages[0]!.record).to.deep.equal({
          ...p0,
          offset: 0,
          key: "k",
          value: Buffer.from("v"),
          headers,
          timestamp: 5,
        });
        expect(messages[1]!.record).to.include({ key: null, value: null, timestamp: -1 });
      }));

    it("lets go of a chunk whose elements do not refer to its bytes", () =>
      assertAllClosed(async () => {
        const seen: string[] = [];
        const [control, done] = plainSource({ kafka: kafka.settings, topics: ["t"], value: string() })
          .toMat(
            Sink.forEach((record) => {
              seen.push(record.value);
            }),
            Keep.both,
          )
          .run();
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 0, 3));
        await until(() => seen.length === 3, "messages");
        await control.shutdown();
        await done;
        expect(seen).to.deep.equal(["v0", "v1", "v2"]);
      }));
  });

  it("reads an assignment given by hand, and commits it without a rebalance", () =>
    assertAllClosed(async () => {
      const assignment = [{ ...p0, offset: 5 }, p1];
      const { messages, control } = gather(kafka, { topics: undefined!, assignment });
      await until(() => kafka.client.of("subscribe").length === 1, "a subscription");
      expect(kafka.client.of("subscribe")[0]!.subscription).to.deep.equal({
        kind: "assignment",
        partitions: assignment,
      });
      kafka.client.give(records("t", 0, 5, 2));
      await until(() => messages.length === 2, "messages");
      const { owner, epoch } = messages[1]!.offset;
      await owner.commit([{ ...p0, position: 7, epoch, metadata: undefined }]);
      await control.shutdown();
      expect(kafka.client.of("commit").map(({ positions }) => positions)).to.deep.equal([[{ ...p0, offset: 7 }]]);
    }));

  it("subscribes to a pattern", () =>
    assertAllClosed(async () => {
      const { control } = gather(kafka, { topics: undefined!, topicPattern: /^t/ });
      await until(() => kafka.client.of("subscribe").length === 1, "a subscription");
      expect(kafka.client.of("subscribe")[0]!.subscription).to.deep.equal({ kind: "pattern", pattern: /^t/ });
      await control.shutdown();
    }));

  describe("before a stalled downstream", () => {
    /** A source whose first message is taken and never finished, until the gate opens. */
    const stalled = (maxBufferedRecords: number) => {
      const gate = new Latch();
      const messages: Message[] = [];
      const [control, done] = source(kafka, { maxBufferedRecords, maxPollRecords: 4 })
        .mapAsync(1, async (message) => {
          messages.push(message);
          await gate.opened;
        })
        .toMat(Sink.ignore, Keep.both)
        .run();
      return { gate, messages, control, done };
    };

    it("reads no more than twice its bound ahead, pauses, polls on, and resumes without losing a record", () =>
      assertAllClosed(async () => {
        const { gate, messages, control, done } = stalled(10);
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 0, 4));
        await until(() => messages.length === 1, "the first message");
        for (let from = 4; from < 60; from += 4) kafka.client.give(records("t", 0, from, 4));
        await until(() => kafka.client.of("pause").length > 0, "a pause");
        await polls();
        // A chunk inside mapAsync, the bound, and as much again by polling for rebalances and commits.
        expect(60 - kafka.client.waiting).to.be.at.most(4 + 2 * 10);
        gate.open();
        await until(() => messages.length === 60, "all messages");
        expect(kafka.client.of("resume")).to.have.length(1);
        expect(kafka.client.paused.size).to.equal(0);
        await control.shutdown();
        await done;
        expect(messages.map(({ record }) => record.offset)).to.deep.equal([...Array(60).keys()]);
      }));

    it("pauses partitions that a rebalance brings while it is paused, and resumes all that are still owned", () =>
      assertAllClosed(async () => {
        const { gate, messages, control, done } = stalled(2);
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 0, 1));
        await until(() => messages.length === 1, "the first message");
        kafka.client.give(records("t", 0, 1, 4));
        await until(() => kafka.client.paused.has("0 t"), "a pause");
        await kafka.client.assign(p1);
        await until(() => kafka.client.paused.has("1 t"), "a pause of the new partition");
        await kafka.client.revoke(p0);
        await polls();
        kafka.client.give(records("t", 1, 0, 3));
        gate.open();
        await until(() => messages.length === 4, "the messages of the new partition");
        const resumed = kafka.client.of("resume").flatMap(({ partitions }) => partitions);
        expect(resumed, "p0 as it is given up, lest it come back paused").to.have.deep.members([p0, p1]);
        await control.shutdown();
        await done;
      }));

    it("is not held back by records that are filtered out, however many", () =>
      assertAllClosed(async () => {
        const passed: number[] = [];
        const control = source(kafka, { maxInFlight: 3 })
          .filter(({ record }) => record.offset === 40)
          .map(({ record, offset }) => {
            passed.push(record.offset);
            return offset;
          })
          .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from)
          .run();
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 0, 41));
        await until(() => passed.length === 1, "the one that passes");
        await control.drainAndShutdown();
        expect(kafka.client.of("commit").at(-1)?.positions).to.deep.equal([{ ...p0, offset: 41 }]);
      }));

    it("serves a commit at once although nothing is taken", () =>
      assertAllClosed(async () => {
        const { gate, messages, control, done } = stalled(4);
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 0, 4));
        await until(() => messages.length === 1, "the first message");
        kafka.client.give(records("t", 0, 4, 4));
        kafka.client.give(records("t", 0, 8, 4));
        await until(() => kafka.client.waiting === 4, "a full buffer");
        const { owner, epoch } = messages[0]!.offset;
        await owner.commit([{ ...p0, position: 1, epoch, metadata: undefined }]);
        expect(kafka.client.of("pause")).to.have.length(0);
        gate.open();
        await control.shutdown();
        await done;
      }));

    it("stops, pauses and keeps polling, whatever waits in the buffer", () =>
      assertAllClosed(async () => {
        const { gate, messages, control, done } = stalled(4);
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 0, 1));
        await until(() => messages.length === 1, "the first message");
        kafka.client.give(records("t", 0, 1, 4));
        await control.stop();
        await polls();
        expect(kafka.client.paused.has("0 t")).to.equal(true);
        gate.open();
        await done;
        await control.isShutdown;
        expect(messages).to.have.length(1);
      }));
  });
});
