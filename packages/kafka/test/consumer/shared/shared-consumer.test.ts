import {
  atMostOnceSource,
  committableSource,
  CommittableOffsetBatch,
  committerSink,
  DrainingControl,
  KafkaConnectorError,
  plainPartitionedSource,
  plainSource,
  type SharedConsumer,
  sharedConsumer,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import { Sink } from "@millrace/streams";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../../support/fake-chunk.js";
import { FakeKafka } from "../../support/fake-kafka.js";
import { Gate } from "../../../../../test/support/gate.js";
import { p0, p1 } from "../../support/pipelines.js";
import { errorOf, rejectionOf, until } from "../../support/until.js";
import { numbered } from "../../../src/client/codes.js";

const p2 = { topic: "t", partition: 2 } as const;

describe("a shared consumer", () => {
  let kafka: FakeKafka;
  let shared: SharedConsumer;
  let seen: string[];
  beforeEach(() => {
    kafka = new FakeKafka();
    shared = sharedConsumer({ kafka: kafka.settings });
    seen = [];
  });
  afterEach(async () => {
    await shared.close();
    kafka.verify();
  });

  /** Notes what it is given; `handle` may throw. */
  const plain = (
    assignment: readonly (typeof p0 | typeof p1 | typeof p2)[],
    handle: (name: string) => unknown = () => 0,
  ) =>
    plainSource({ consumer: shared, assignment, value: string() })
      .mapAsync(1, async ({ partition, offset }) => {
        const name = `${partition}@${offset}`;
        seen.push(name);
        await handle(name);
      })
      .toMat(Sink.ignore, DrainingControl.from)
      .run();

  const assigned = (): readonly string[] => shared.assignment().map(({ partition }) => String(partition));
  const sees = (...names: readonly string[]): Promise<void> =>
    until(() => names.every((name) => seen.includes(name)), names.join());
  const committed = (partition: number): number | undefined =>
    kafka.client
      .of("commit")
      .flatMap(({ positions }) => positions)
      .filter((each) => each.partition === partition)
      .at(-1)?.offset;

  describe("refuses, when the graph is built,", () => {
    const refused = (build: () => unknown, words: RegExp): void => {
      const error = errorOf(build);
      expect(error).to.include({ code: "INVALID_SETTINGS" });
      expect((error as Error).message).to.match(words);
    };
    const over = (settings: object) => () => plainSource({ consumer: shared, assignment: [p0], ...settings });

    it("topics and patterns, which a group would share out", () => {
      refused(over({ topics: ["t"] }), /no member of a group/);
      refused(over({ topicPattern: /t/ }), /no member of a group/);
      refused(() => plainPartitionedSource({ consumer: shared, assignment: [p0] } as never), /come and go/);
    });

    it("settings of the client, and what is no shared consumer", () => {
      refused(over({ kafka: kafka.settings }), /kafka belongs to the client/);
      refused(over({ groupId: "other" }), /groupId belongs to the client/);
      refused(over({ properties: {} }), /properties belongs to the client/);
      refused(over({ consumer: {} }), /Make it with sharedConsumer/);
    });

    it("unknown settings, and those that would lose messages", () => {
      refused(
        () => sharedConsumer({ kafka: kafka.settings, assignment: [p0] } as never),
        /sharedConsumer.*assignment/s,
      );
      const committing = { kafka: kafka.settings, properties: { "enable.auto.commit": true } };
      expect(errorOf(() => sharedConsumer(committing))).to.include({ code: "AUTO_COMMIT_REFUSED" });
    });

    it("commits without a group", () => {
      const { groupId: _, ...ungrouped } = kafka.settings;
      const consumer = sharedConsumer({ kafka: ungrouped });
      expect(errorOf(() => committableSource({ consumer, assignment: [p0] }))).to.include({ code: "GROUP_ID_MISSING" });
      expect(() => plainSource({ consumer, assignment: [p0] })).not.to.throw();
    });

    it("metadata that the driver cannot send", () => {
      kafka.commitsMetadata = false;
      const consumer = sharedConsumer({ kafka: kafka.settings });
      const settings = { consumer, assignment: [p0] };
      refused(() => committableSource({ ...settings, metadata: () => "m" }), /metadata/);
      refused(() => sourceWithOffsetContext({ ...settings, rememberFinished: true }), /rememberFinished/);
    });
  });

  it("fails a source that wants what another one reads, and names it", () =>
    assertAllClosed(async () => {
      const first = plain([p0, p1]);
      await until(() => assigned().length === 2, "the first");
      const error = await rejectionOf(plain([p1, p2]).streamCompletion);
      expect(error).to.include({ code: "ALREADY_ASSIGNED", retriable: true });
      expect((error as Error).message)
        .to.include("t[1]")
        .and.not.include("t[2]");
      kafka.client.give(records("t", 1, 0, 1));
      await sees("1@0");
      await first.drainAndShutdown();
    }));

  it("gives the partitions of a stream that failed up, and leaves the others", () =>
    assertAllClosed(async () => {
      const other = plain([p1]);
      const failure = new Error("handler");
      const failing = plain([p0], () => {
        throw failure;
      });
      await until(() => assigned().length === 2, "both");
      kafka.client.give([...records("t", 0, 0, 1), ...records("t", 1, 0, 1)]);
      expect(await rejectionOf(failing.streamCompletion)).to.equal(failure);
      await failing.isShutdown.catch(() => undefined);
      expect(assigned()).to.deep.equal(["1"]);
      kafka.client.give(records("t", 1, 1, 1));
      await sees("1@0", "1@1");
      const again = plain([p0]);
      await until(() => assigned().length === 2, "both again");
      kafka.client.give(records("t", 0, 1, 1));
      await sees("0@1");
      expect(kafka.consumers).to.have.length(1);
      await Promise.all([again.drainAndShutdown(), other.drainAndShutdown()]);
      expect(kafka.client.closed).to.equal(false);
    }));

  it("D-07 fails only the stream of a record that cannot be decoded", () =>
    assertAllClosed(async () => {
      const poison = { decode: () => expect.fail("poison") };
      const failing = plainSource({ consumer: shared, assignment: [p0], value: poison })
        .toMat(Sink.ignore, DrainingControl.from)
        .run();
      const living = plain([p1]);
      await until(() => assigned().length === 2, "both");
      kafka.client.give([...records("t", 0, 0, 1), ...records("t", 1, 0, 1)]);
      expect(await rejectionOf(failing.streamCompletion)).to.include({ code: "DESERIALIZATION_FAILED" });
      await sees("1@0");
      await living.drainAndShutdown();
    }));

  it("D-07 fails every stream when a read fails, and serves those that come after", () =>
    assertAllClosed(async () => {
      const streams = [plain([p0]), plain([p1])];
      await until(() => assigned().length === 2, "both");
      const failure = new KafkaConnectorError("POLL_FAILED", "no offset");
      kafka.client.failPoll(failure);
      for (const { streamCompletion } of streams) expect(await rejectionOf(streamCompletion)).to.equal(failure);
      await Promise.allSettled(streams.map(({ isShutdown }) => isShutdown));
      const next = plain([p0]);
      await until(() => assigned().length === 1, "the next");
      kafka.client.give(records("t", 0, 0, 1));
      await sees("0@0");
      expect(kafka.consumers).to.have.length(1);
      await next.drainAndShutdown();
    }));

  it("goes on after a failure of a read that may pass", () =>
    assertAllClosed(async () => {
      const control = plain([p0]);
      await until(() => assigned().length === 1, "the source");
      kafka.client.failPoll(new KafkaConnectorError("POLL_FAILED", "passing", { retriable: true }));
      kafka.client.give(records("t", 0, 0, 1));
      await sees("0@0");
      await control.drainAndShutdown();
    }));

  it("fails every stream with an error that is fatal to the client, and connects anew for the next", () =>
    assertAllClosed(async () => {
      const streams = [plain([p0]), plain([p1])];
      await until(() => assigned().length === 2, "both");
      const failure = new KafkaConnectorError("CLIENT_FAILED", "fatal", { fatal: true });
      kafka.client.listener.onError(failure);
      for (const { streamCompletion } of streams) expect(await rejectionOf(streamCompletion)).to.equal(failure);
      await Promise.allSettled(streams.map(({ isShutdown }) => isShutdown));
      await until(() => kafka.consumers[0]?.closed === true, "the client to be closed");
      const next = plain([p0]);
      await until(() => assigned().length === 1, "the next");
      kafka.client.give(records("t", 0, 0, 1));
      await sees("0@0");
      expect(kafka.consumers).to.have.length(2);
      await next.drainAndShutdown();
    }));

  it("fails every stream that waits for a connection that fails, and connects anew for the next", () =>
    assertAllClosed(async () => {
      const failure = new KafkaConnectorError("CONNECT_FAILED", "nobody there");
      kafka.onConsumer = (consumer) => {
        consumer.connecting = Promise.reject(failure);
        consumer.connecting.catch(() => undefined);
      };
      for (const control of [plain([p0]), plain([p1])]) {
        expect(await rejectionOf(control.streamCompletion)).to.equal(failure);
        await control.isShutdown.catch(() => undefined);
      }
      kafka.onConsumer = () => undefined;
      const next = plain([p0]);
      await until(() => assigned().length === 1, "the next");
      await next.drainAndShutdown();
    }));

  it("fails what still runs when it is closed, and what comes later", () =>
    assertAllClosed(async () => {
      const control = plain([p0]);
      await until(() => assigned().length === 1, "the source");
      await Promise.all([shared.close(), shared.close()]);
      expect(kafka.client.closed).to.equal(true);
      expect(await rejectionOf(control.streamCompletion)).to.include({ code: "CONSUMER_CLOSED" });
      await control.isShutdown.catch(() => undefined);
      expect(shared.users).to.equal(0);
      expect(errorOf(() => plain([p0]))).to.include({ code: "CONSUMER_CLOSED" });
    }));

  it("goes on for the others while one takes nothing, which is then paused, and misses nothing of it", () =>
    assertAllClosed(async () => {
      await shared.close();
      shared = sharedConsumer({ kafka: kafka.settings, maxBufferedRecords: 20 });
      const gate = new Gate();
      const settings = { consumer: shared, value: string(), maxBufferedRecords: 4 };
      const slow = plainSource({ ...settings, assignment: [p0] })
        .mapAsync(1, async ({ offset }) => {
          await gate.pass(String(offset));
          seen.push(`0@${offset}`);
        })
        .toMat(Sink.ignore, DrainingControl.from)
        .run();
      const fast = plain([p1]);
      await until(() => assigned().length === 2, "both");
      kafka.client.give(records("t", 0, 0, 60));
      await until(() => kafka.client.paused.has("0 t"), "a pause");
      for (let offset = 0; offset < 10; offset++) {
        kafka.client.give(records("t", 1, offset, 1));
        await sees(`1@${offset}`);
      }
      expect(shared.metrics().buffered).to.be.lessThan(20 + 250);
      for (let offset = 0; offset < 60; offset++) {
        await until(() => gate.started.length > offset, `record ${offset}`);
        gate.open(String(offset));
      }
      await sees("0@59");
      expect(seen.filter((each) => each.startsWith("0@"))).to.deep.equal(
        Array.from({ length: 60 }, (_, offset) => `0@${offset}`),
      );
      expect(kafka.client.paused.size).to.equal(0);
      await Promise.all([slow.drainAndShutdown(), fast.drainAndShutdown()]);
    }));

  it("C-48 commits for two sources in one stream, one commit at a time", () =>
    assertAllClosed(async () => {
      const part = (assignment: readonly (typeof p0 | typeof p1)[]) =>
        committableSource({ consumer: shared, assignment, value: string() });
      const done = part([p0])
        .merge(part([p1]))
        .take(40)
        .map(({ offset }) => offset)
        .batch(10, CommittableOffsetBatch.of, (batch, offset) => batch.updated(offset))
        .runWith(committerSink({ maxIntervalMs: 1 }));
      await until(() => assigned().length === 2, "both");
      for (let offset = 0; offset < 20; offset += 2) {
        kafka.client.give([...records("t", 0, offset, 2), ...records("t", 1, offset, 2)]);
      }
      await done;
      expect([committed(0), committed(1)]).to.deep.equal([20, 20]);
      await until(() => shared.users === 0, "the end of both");
      expect(shared.metrics().commits).to.equal(kafka.client.of("commit").length);
    }));

  it("answers commits of a source also while every source has records waiting", () =>
    assertAllClosed(async () => {
      const gate = new Gate();
      const control = sourceWithOffsetContext({ consumer: shared, assignment: [p0], value: string(), maxInFlight: 1 })
        .mapAsync(1, ({ offset }) => gate.pass(String(offset)))
        .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from)
        .run();
      await until(() => assigned().length === 1, "the source");
      kafka.client.give(records("t", 0, 0, 100));
      for (let offset = 0; offset < 3; offset++) {
        await until(() => gate.started.length > offset, `record ${offset}`);
        gate.open(String(offset));
        await until(() => committed(0) === offset + 1, "a commit");
      }
      const drained = control.drainAndShutdown();
      await until(() => gate.started.length === 4, "what was delivered");
      gate.open("3");
      expect(await drained).to.include({ processed: 4, expectedReplays: 0 });
    }));

  it("seeks for one source and leaves the others where they are", () =>
    assertAllClosed(async () => {
      const [one, two] = [plain([p0]), plain([p1])];
      await until(() => assigned().length === 2, "both");
      kafka.client.give([...records("t", 0, 0, 2), ...records("t", 1, 0, 2)]);
      await sees("0@1", "1@1");
      await one.seek([{ ...p0, offset: 0 }]);
      expect(kafka.client.of("seek").flatMap(({ positions }) => positions)).to.deep.equal([{ ...p0, offset: 0 }]);
      seen.length = 0;
      kafka.client.give([...records("t", 0, 0, 1), ...records("t", 1, 2, 1)]);
      await sees("0@0", "1@2");
      await Promise.all([one.drainAndShutdown(), two.drainAndShutdown()]);
    }));

  it("pauses for one source alone", () =>
    assertAllClosed(async () => {
      const [one, two] = [plain([p0]), plain([p1])];
      await until(() => assigned().length === 2, "both");
      one.pause();
      await until(() => kafka.client.paused.size === 1, "a pause");
      kafka.client.give([...records("t", 1, 0, 1), ...records("t", 0, 0, 1)]);
      await sees("1@0");
      expect(seen).to.deep.equal(["1@0"]);
      one.resume();
      await sees("0@0");
      await Promise.all([one.drainAndShutdown(), two.drainAndShutdown()]);
    }));

  it("notifies each bounded source of its own ends, after the records before them", () =>
    assertAllClosed(async () => {
      kafka.onConsumer = (consumer) => {
        consumer.onWatermarks = ({ partition }) => ({ low: 0, high: partition === 0 ? 3 : 0 });
      };
      const some = plainSource({ consumer: shared, assignment: [p0], until: "end" }).runWith(Sink.toArray());
      const none = plainSource({ consumer: shared, assignment: [p1], until: "end" }).runWith(Sink.toArray());
      await until(() => assigned().length === 2, "both");
      // The last one is hidden: a marker of a transaction.
      kafka.client.give(records("t", 0, 0, 2));
      kafka.client.reachEnd({ ...p0, offset: 3 });
      kafka.client.reachEnd({ ...p1, offset: 0 });
      expect((await some).map(({ offset }) => offset)).to.deep.equal([0, 1]);
      expect(await none).to.deep.equal([]);
      await until(() => shared.users === 0, "the end of both");
    }));

  it("begins each partition where its source says, with one client for all", () =>
    assertAllClosed(async () => {
      const settings = { consumer: shared };
      const controls = [
        plainSource({ ...settings, assignment: [{ ...p0, offset: 7 }] }),
        plainSource({ ...settings, assignment: [p1], startAt: "end" as const }),
        atMostOnceSource({ ...settings, assignment: [p2] }),
      ].map((source) => source.toMat(Sink.ignore, DrainingControl.from).run());
      await until(() => assigned().length === 3, "all");
      await until(() => kafka.client.of("addPartitions").length === 3, "all to be read");
      expect(kafka.client.of("addPartitions").flatMap(({ partitions }) => partitions)).to.deep.equal([
        { ...p0, offset: 7 },
        { ...p1, offset: "end" },
        p2,
      ]);
      expect(kafka.consumers).to.have.length(1);
      expect(shared.metrics()).to.include({ users: 3, assignedPartitions: 3 });
      await Promise.all(controls.map((control) => control.drainAndShutdown()));
      expect(shared.metrics()).to.include({ users: 0, assignedPartitions: 0, buffered: 0 });
    }));

  it("has a partition assigned again whose position could not be asked for, and no other", () =>
    assertAllClosed(async () => {
      const controls = [plain([p0]), plain([p1])];
      await until(() => kafka.client.of("addPartitions").length === 2, "both to be read");
      kafka.client.give(records("t", 1, 0, 1));
      await sees("1@0");
      kafka.client.failPoll(
        new KafkaConnectorError("POLL_FAILED", "Not coordinator", { ...numbered(16), retriable: true }),
      );
      await until(() => kafka.client.of("addPartitions").length === 3, "another assignment");
      expect(kafka.client.of("removePartitions").map(({ partitions }) => partitions)).to.deep.equal([[p0]]);
      expect(kafka.client.of("addPartitions")[2]?.partitions).to.deep.equal([p0]);
      kafka.client.give([...records("t", 0, 0, 1), ...records("t", 1, 1, 1)]);
      await sees("0@0", "1@1");
      await Promise.all(controls.map((control) => control.drainAndShutdown()));
      expect(kafka.consumers).to.have.length(1);
    }));
});
