import {
  type Committable,
  committableSource,
  CommittableOffsetBatch,
  committerSink,
  KafkaConnectorError,
  plainPartitionedSource,
  plainSource,
  type SubscriptionSettings,
} from "@millrace/kafka";
import { Keep, Sink, Supervision } from "@millrace/streams";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../../support/fake-chunk.js";
import { FakeKafka } from "../../support/fake-kafka.js";
import { gather, p0, p1, source } from "../../support/pipelines.js";
import { errorOf, rejectionOf, until } from "../../support/until.js";

const batchOf = (offsets: readonly Committable[]): CommittableOffsetBatch =>
  offsets.reduce<CommittableOffsetBatch>((batch, offset) => batch.updated(offset), CommittableOffsetBatch.empty);

describe("conformance: sources and their committers", () => {
  let kafka: FakeKafka;
  beforeEach(() => {
    kafka = new FakeKafka();
  });
  afterEach(() => kafka.verify());

  const settings = (subscription: SubscriptionSettings = { topics: ["t"] }) => ({
    kafka: kafka.settings,
    ...subscription,
  });
  const assigned = [{ ...p0, offset: 3 }];
  const misconfigured: readonly [id: string, what: string, run: () => Promise<unknown>][] = [
    ["S-45", "a single source", () => plainSource(settings()).runWith(Sink.ignore)],
    ["S-46", "an assignment", () => plainSource(settings({ assignment: assigned })).runWith(Sink.ignore)],
    ["S-47", "a partitioned source", () => plainPartitionedSource(settings()).runWith(Sink.ignore)],
  ];
  for (const [id, what, run] of misconfigured) {
    it(`${id} a client that cannot be made fails ${what}`, () =>
      assertAllClosed(async () => {
        const failure = new KafkaConnectorError("INVALID_SETTINGS", "no such property");
        kafka.onConsumer = () => {
          throw failure;
        };
        const error = await rejectionOf((async () => run())());
        expect(error).to.equal(failure);
      }));
  }

  it("S-34 a missing group is refused when the graph is built", () => {
    const error = errorOf(() => committableSource({ kafka: { brokers: "b:1" }, topics: ["t"] }));
    expect(error).to.include({ code: "GROUP_ID_MISSING" });
  });

  it("C-14 a commit that fails fails the committer with the client's own error", () =>
    assertAllClosed(async () => {
      const failure = new KafkaConnectorError("COMMIT_FAILED", "refused");
      const done = source(kafka)
        .map(({ offset }) => offset)
        .runWith(committerSink({ maxBatch: 1 }));
      kafka.client.onCommit = (commit) => commit.fail(failure);
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 0, 1));
      expect(await rejectionOf(done)).to.equal(failure);
    }));

  it("C-15 with resume it is passed over", () =>
    assertAllClosed(async () => {
      const [control, done] = source(kafka)
        .map(({ offset }) => offset)
        .toMat(committerSink({ maxBatch: 1 }), Keep.both)
        .withAttributes({ supervision: Supervision.resumingDecider })
        .run();
      kafka.client.onCommit = (commit) => commit.fail(new KafkaConnectorError("COMMIT_FAILED", "refused"));
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 0, 1));
      await until(() => kafka.client.commits.length === 1, "a commit");
      await control.stop();
      await done;
    }));

  it("C-10 a batch commits the metadata of each partition's last record", () =>
    assertAllClosed(async () => {
      const { messages, control } = gather(kafka, { metadata: ({ key }) => String(key) });
      await kafka.client.assign(p0, p1);
      kafka.client.give([...records("t", 0, 0, 2), ...records("t", 1, 5, 1)]);
      await until(() => messages.length === 3, "messages");
      await batchOf(messages.map(({ offset }) => offset)).commit();
      expect(kafka.client.of("commit").map(({ positions }) => positions)).to.deep.equal([
        [
          { ...p0, offset: 2, metadata: "k1" },
          { ...p1, offset: 6, metadata: "k5" },
        ],
      ]);
      await control.shutdown();
    }));

  it("C-12 a batch of two consumers' offsets is one commit for each, of its own", () =>
    assertAllClosed(async () => {
      const [one, two] = [gather(kafka, { groupId: "one" }), gather(kafka, { groupId: "two" })];
      for (const consumer of kafka.consumers) {
        await consumer.assign(p0);
        consumer.give(records("t", 0, kafka.consumers.indexOf(consumer) * 10, 1));
      }
      await until(() => one.messages.length + two.messages.length === 2, "messages");
      const offsets = [...one.messages, ...two.messages].map(({ offset }) => offset);
      await batchOf(offsets).commit();
      const committed = kafka.consumers.map((each) => each.of("commit").map(({ positions }) => positions));
      expect(committed).to.deep.equal([[[{ ...p0, offset: 1 }]], [[{ ...p0, offset: 11 }]]]);
      await Promise.all([one.control.shutdown(), two.control.shutdown()]);
    }));

  it("S-33 a committable source ends with take, and its client closes", () =>
    assertAllClosed(async () => {
      const [control, done] = source(kafka).take(5).toMat(Sink.toArray(), Keep.both).run();
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 0, 9));
      expect(await done).to.have.length(5);
      await control.isShutdown;
      expect(kafka.client.closed).to.equal(true);
    }));

  const subscriptions: readonly [id: string, subscription: SubscriptionSettings, expected: object][] = [
    ["Q-10 topics", { topics: ["a", "b"] }, { kind: "topics", topics: ["a", "b"] }],
    ["Q-11 a pattern", { topicPattern: /^a/ }, { kind: "pattern", pattern: /^a/ }],
  ];
  for (const [id, subscription, expected] of subscriptions) {
    it(`${id} is what the client subscribes to`, () =>
      assertAllClosed(async () => {
        const [control] = plainSource(settings(subscription)).toMat(Sink.ignore, Keep.both).run();
        await until(() => kafka.client.of("subscribe").length === 1, "a subscription");
        expect(kafka.client.of("subscribe")[0]?.subscription).to.deep.equal(expected);
        await control.shutdown();
      }));
  }
});
