import { Keep, Sink, Source } from "@millrace/streams";
import { CommittableOffsetBatch, committerSink, DrainingControl, KafkaConnectorError } from "@millrace/kafka";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import type { TopicPartitionOffset } from "../../../src/client/port.js";
import { type FakeRecord, records } from "../../support/fake-chunk.js";
import { FakeKafka } from "../../support/fake-kafka.js";
import { gather, type Message, p0, source } from "../../support/pipelines.js";
import { morePolls, rejectionOf, until } from "../../support/until.js";

const commitFailed = (message: string, retriable = false): KafkaConnectorError =>
  new KafkaConnectorError("COMMIT_FAILED", message, { retriable });

/** Partition by partition, so that the order in a request does not matter. */
const sorted = (positions: readonly TopicPartitionOffset[]): readonly TopicPartitionOffset[] =>
  [...positions].sort((a, b) => a.topic.localeCompare(b.topic) || a.partition - b.partition);

describe("committing", () => {
  let kafka: FakeKafka;
  beforeEach(() => {
    kafka = new FakeKafka();
  });
  afterEach(() => kafka.verify());

  /** Runs a block on the messages of these records. */
  const withMessages = (
    given: readonly FakeRecord[],
    block: (messages: readonly Message[]) => Promise<void>,
    settings: Parameters<typeof gather>[1] = {},
  ): Promise<void> =>
    assertAllClosed(async () => {
      const { messages, control } = gather(kafka, settings);
      const partitions = new Map(given.map(({ topic, partition }) => [`${topic}${partition}`, { topic, partition }]));
      await kafka.client.assign(...partitions.values());
      kafka.client.give(given);
      await until(() => messages.length === given.length, "all messages");
      await block(messages);
      await control.shutdown();
    });

  const positions = (): (readonly TopicPartitionOffset[])[] =>
    kafka.client.of("commit").map((commit) => sorted(commit.positions));

  describe("that fails", () => {
    it("C-03 rejects with the client's own error", () =>
      withMessages(records("t", 0, 0, 1), async ([message]) => {
        const refused = commitFailed("refused");
        kafka.client.onCommit = (commit) => commit.fail(refused);
        expect(await rejectionOf(message!.offset.commit())).to.equal(refused);
        expect(positions()).to.have.length(1);
      }));

    it("fails the stream of a committer, and no commit follows", () =>
      assertAllClosed(async () => {
        const control = source(kafka)
          .map((message) => message.offset)
          .toMat(committerSink({ maxBatch: 1, parallelism: 1 }), DrainingControl.from)
          .run();
        const refused = commitFailed("refused");
        kafka.client.onCommit = (commit) => commit.fail(refused);
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 0, 5));
        expect(await rejectionOf(control.streamCompletion)).to.equal(refused);
        expect(await rejectionOf(control.isShutdown)).to.equal(refused);
        expect(positions()).to.deep.equal([[{ ...p0, offset: 1 }]]);
      }));

    it("is tried again while the error is retriable, with the same positions", () =>
      withMessages(records("t", 0, 0, 1), async ([message]) => {
        kafka.client.onCommit = (commit) => {
          if (kafka.client.commits.length < 4) commit.fail(commitFailed("coordinator is loading", true));
          else commit.acknowledge();
        };
        await message!.offset.commit();
        expect(positions()).to.deep.equal(Array.from({ length: 4 }, () => [{ ...p0, offset: 1 }]));
      }));

    it("gives up a retriable error at the commit timeout", () =>
      withMessages(
        records("t", 0, 0, 1),
        async ([message]) => {
          const loading = commitFailed("coordinator is loading", true);
          kafka.client.onCommit = (commit) => commit.fail(loading);
          expect(await rejectionOf(message!.offset.commit())).to.equal(loading);
          expect(positions()).to.have.length.within(1, 5);
        },
        { commitTimeoutMs: 200 },
      ));

    it("fails with COMMIT_TIMEOUT when no answer comes, and says what to do", () =>
      withMessages(
        records("t", 0, 0, 1),
        async ([message]) => {
          kafka.client.onCommit = () => undefined;
          const error = await rejectionOf(message!.offset.commit());
          expect(error).to.include({ code: "COMMIT_TIMEOUT" });
          expect((error as Error).message).to.match(/raise commitTimeoutMs/);
          kafka.client.commits[0]?.acknowledge();
        },
        { commitTimeoutMs: 50 },
      ));
  });

  it("C-01 carries the metadata made of the record, with the next offset", () =>
    withMessages(
      records("t", 0, 7, 1),
      async ([message]) => {
        await message!.offset.commit();
        expect(positions()).to.deep.equal([[{ ...p0, offset: 8, metadata: "k7 of 0" }]]);
      },
      { metadata: (record) => `${record.key} of ${record.partition}` },
    ));

  it("C-02 makes one client commit of the next offset, and resolves only once it is answered", () =>
    withMessages(records("t", 0, 41, 1), async ([message]) => {
      kafka.client.onCommit = () => undefined;
      let resolved = false;
      const committed = message!.offset.commit().then(() => {
        resolved = true;
      });
      await until(() => kafka.client.commits.length === 1, "a commit");
      await morePolls(kafka.client, 2);
      expect(resolved).to.equal(false);
      kafka.client.commits[0]!.acknowledge();
      await committed;
      expect(positions()).to.deep.equal([[{ ...p0, offset: 42 }]]);
    }));

  const passing: readonly [id: string, what: string, error: ConstructorParameters<typeof KafkaConnectorError>[2]][] = [
    ["C-04", "a rebalance in progress", { clientCode: 27, retriable: true }],
    ["C-05", "a time-out", { clientCode: -185, retriable: true }],
    ["C-06", "a coordinator that loads", { clientCode: 14, retriable: true }],
    ["C-07", "whatever may pass", { retriable: true }],
  ];
  for (const [id, what, options] of passing) {
    it(`${id} tries again until it succeeds: ${what}`, () =>
      withMessages(records("t", 0, 7, 1), async ([message]) => {
        let failures = 4;
        kafka.client.onCommit = (commit) => {
          if (failures-- > 0) commit.fail(new KafkaConnectorError("COMMIT_FAILED", what, options));
          else commit.acknowledge();
        };
        await message!.offset.commit();
        expect(positions()).to.deep.equal(Array.from({ length: 5 }, () => [{ ...p0, offset: 8 }]));
      }));
  }

  it("C-08 aggregates 100 single commits into fewer than 10 client commits", () =>
    withMessages(records("t", 0, 0, 100), async (messages) => {
      await Promise.all(messages.map((message) => message.offset.commit()));
      expect(positions()).to.have.length.within(1, 9);
      expect(positions().at(-1)).to.deep.equal([{ ...p0, offset: 100 }]);
    }));

  it("C-08 aggregates single commits that come one after the other while a commit is under way", () =>
    withMessages(records("t", 0, 0, 100), async (messages) => {
      const committed: Promise<unknown>[] = [];
      for (const message of messages) {
        committed.push(message.offset.commit());
        await new Promise((resolve) => setImmediate(resolve));
      }
      await Promise.all(committed);
      expect(positions().length).to.be.greaterThan(0).and.lessThan(60);
      expect(positions().at(-1)).to.deep.equal([{ ...p0, offset: 100 }]);
    }));

  const twoTopics = [...records("a", 0, 0, 5), ...records("b", 0, 10, 5)];

  it("C-09 commits a batch over two topics by one client commit of the last offsets", () =>
    withMessages(
      twoTopics,
      async (messages) => {
        const batch = messages.reduce((sum, { offset }) => sum.updated(offset), CommittableOffsetBatch.empty);
        await batch.commit();
        expect(positions()).to.deep.equal([
          [
            { topic: "a", partition: 0, offset: 5 },
            { topic: "b", partition: 0, offset: 15 },
          ],
        ]);
      },
      { topics: ["a", "b"] },
    ));

  it("C-11 commits a batch of batches as it commits the batch, with the last metadata of each partition", () =>
    withMessages(
      twoTopics,
      async (messages) => {
        const [batch] = await Source.from(messages)
          .grouped(2)
          .map((two) => two.reduce((sum, { offset }) => sum.updated(offset), CommittableOffsetBatch.empty))
          .fold(CommittableOffsetBatch.empty, (sum, each) => sum.updated(each))
          .toMat(Sink.toArray(), Keep.right)
          .run();
        expect(batch?.size).to.equal(10);
        await batch!.commit();
        expect(positions()).to.deep.equal([
          [
            { topic: "a", partition: 0, offset: 5, metadata: "k4" },
            { topic: "b", partition: 0, offset: 15, metadata: "k14" },
          ],
        ]);
      },
      { topics: ["a", "b"], metadata: (record) => record.key ?? "" },
    ));
});
