import {
  type CommitResult,
  type CommittableOffset,
  CommittableOffsetBatch,
  committerFlow,
  committerSink,
  DrainingControl,
  KafkaConnectorError,
} from "@millrace/kafka";
import { Keep, Sink } from "@millrace/streams";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { type FakeRecord, records } from "../../support/fake-chunk.js";
import { FakeKafka } from "../../support/fake-kafka.js";
import { gather, type Message, p0, p1, source } from "../../support/pipelines.js";
import { rejectionOf, until } from "../../support/until.js";
import { Latch } from "../../../../../test/support/latch.js";
import { numbered } from "../../../src/client/codes.js";

const batchOf = (messages: readonly Message[]): CommittableOffsetBatch =>
  messages.reduce((batch, { offset }) => batch.updated(offset), CommittableOffsetBatch.empty);

/** Partition, position and what became of it. */
const inShort = (results: readonly CommitResult[]): unknown =>
  results.map(({ partition, position, outcome }) => `${partition}: ${position} ${outcome}`);

describe("the result of a commit", () => {
  let kafka: FakeKafka;
  beforeEach(() => {
    kafka = new FakeKafka();
  });
  afterEach(() => kafka.verify());

  const withMessages = (
    given: readonly FakeRecord[],
    block: (messages: readonly Message[]) => Promise<void>,
    settings: Parameters<typeof gather>[1] = {},
  ): Promise<void> =>
    assertAllClosed(async () => {
      const { messages, control } = gather(kafka, { revokeTimeoutMs: 0, ...settings });
      await kafka.client.assign(p0, p1);
      kafka.client.give(given);
      await until(() => messages.length === given.length, "all messages");
      await block(messages);
      await control.shutdown();
    });

  const sent = (): (readonly number[])[] =>
    kafka.client.of("commit").map(({ positions }) => positions.map(({ offset }) => offset));

  describe("is notOwned", () => {
    it("where the partition was revoked before, and nothing is sent", () =>
      withMessages(records("t", 0, 0, 3), async (messages) => {
        await kafka.client.revoke(p0);
        expect(await messages[2]!.offset.commit()).to.deep.equal({
          groupId: "g",
          ...p0,
          position: 3,
          outcome: "notOwned",
          committed: undefined,
        });
        expect(sent()).to.deep.equal([]);
      }));

    it("where it came back since, under another epoch", () =>
      withMessages(records("t", 0, 0, 3), async (messages) => {
        await kafka.client.revoke(p0);
        await kafka.client.assign(p0);
        expect(inShort([await messages[2]!.offset.commit()])).to.deep.equal(["0: 3 notOwned"]);
        expect(sent()).to.deep.equal([]);
      }));

    it("where it was lost while the broker refused the commit, of that partition only", () =>
      withMessages([...records("t", 0, 0, 1), ...records("t", 1, 5, 1)], async (messages) => {
        let refusals = 1;
        kafka.client.onCommit = (commit) => {
          if (refusals-- <= 0) return commit.acknowledge();
          kafka.client.lose(p0);
          commit.fail(new KafkaConnectorError("COMMIT_FAILED", "rebalances", { ...numbered(27), retriable: true }));
        };
        expect(inShort(await batchOf(messages).commit())).to.have.members(["0: 1 notOwned", "1: 6 committed"]);
        expect(sent().at(-1)).to.deep.equal([6]);
      }));

    it("where the partition has been moved by a seek", () =>
      assertAllClosed(async () => {
        const { messages, control } = gather(kafka, { revokeTimeoutMs: 1000 });
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 0, 2));
        await until(() => messages.length === 2, "messages");
        await messages[1]!.offset.commit();
        await control.seek([{ ...p0, offset: 0 }]);
        expect(inShort([await messages[1]!.offset.commit()])).to.deep.equal(["0: 2 notOwned"]);
        await control.shutdown();
      }));
  });

  it("C-02 is committed once the broker has acknowledged this very offset", () =>
    withMessages(records("t", 0, 41, 1), async ([message]) => {
      expect(await message!.offset.commit()).to.include({ position: 42, outcome: "committed", committed: 42 });
      expect(await message!.offset.commit()).to.include({ position: 42, outcome: "committed", committed: 42 });
      expect(sent()).to.deep.equal([[42]]);
    }));

  it("is committed where offsets without records follow, whatever position stands for it", () =>
    withMessages([...records("t", 0, 0, 1), ...records("t", 0, 7, 1)], async ([first, second]) => {
      expect(await first!.offset.commit()).to.include({ position: 1, outcome: "committed", committed: 7 });
      expect(await second!.offset.commit()).to.include({ position: 8, outcome: "committed", committed: 8 });
    }));

  it("C-08 is superseded for those that went in one commit with a higher one", () =>
    withMessages(records("t", 0, 0, 3), async (messages) => {
      const results = await Promise.all(messages.map(({ offset }) => offset.commit()));
      expect(inShort(results)).to.deep.equal(["0: 1 superseded", "0: 2 superseded", "0: 3 committed"]);
      expect(results.map(({ committed }) => committed)).to.deep.equal([3, 3, 3]);
      expect(sent()).to.deep.equal([[3]]);
    }));

  it("is superseded for one that comes after a higher one, and sends nothing", () =>
    withMessages(records("t", 0, 0, 3), async (messages) => {
      await messages[2]!.offset.commit();
      expect(inShort([await messages[0]!.offset.commit()])).to.deep.equal(["0: 1 superseded"]);
      expect(sent()).to.deep.equal([[3]]);
    }));

  it("is committed for an offset among records beyond maxInFlight, and the position is what was asked for", () =>
    withMessages(
      records("t", 0, 0, 10),
      async (messages) => {
        expect(await messages[6]!.offset.commit()).to.include({ position: 7, outcome: "committed", committed: 7 });
        expect(await messages[9]!.offset.commit()).to.include({ position: 10, outcome: "committed", committed: 10 });
        expect(sent()).to.deep.equal([[7], [10]]);
      },
      { maxInFlight: 2 },
    ));

  it("is emitted by committerFlow for each partition of a batch", () =>
    assertAllClosed(async () => {
      const held = new Latch();
      const [control, emitted] = source(kafka)
        .mapAsync(1, async ({ record, offset }) => {
          if (record.partition === 1) await held.opened;
          return offset;
        })
        .via(committerFlow({ maxBatch: 2 }))
        .map(({ size, results }) => ({ size, results: inShort(results) }))
        .toMat(Sink.toArray(), Keep.both)
        .run();
      await kafka.client.assign(p0, p1);
      kafka.client.give([...records("t", 0, 0, 2), ...records("t", 1, 0, 1)]);
      await until(() => sent().length === 1, "a commit");
      kafka.client.lose(p1);
      await control.stop();
      held.open();
      expect(await emitted).to.deep.equal([
        { size: 2, results: ["0: 2 committed"] },
        { size: 1, results: ["1: 1 notOwned"] },
      ]);
    }));

  it("C-13 is awaited by nobody where a batch is committed by tell(), with its metadata", () =>
    withMessages(
      records("t", 0, 0, 2),
      async (messages) => {
        await batchOf(messages).tell();
        expect(kafka.client.of("commit").map(({ positions }) => positions)).to.deep.equal([
          [{ ...p0, offset: 2, metadata: "k1" }],
        ]);
      },
      { metadata: ({ key }) => key ?? "" },
    ));

  it("C-13 resolves for nobody's sake when the commit fails, and is made good when the consumer closes", () =>
    assertAllClosed(async () => {
      const { messages, control } = gather(kafka);
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 0, 2));
      await until(() => messages.length === 2, "messages");
      kafka.client.onCommit = (commit) => commit.fail(new KafkaConnectorError("COMMIT_FAILED", "refused"));
      await batchOf(messages).tell();
      expect(control.metrics()).to.include({ commits: 0, failedCommits: 1 });
      kafka.client.onCommit = (commit) => commit.acknowledge();
      await control.shutdown();
      expect(sent()).to.deep.equal([[2], [2]]);
      expect(control.report()[0]).to.include({ committed: 2, expectedReplays: 0 });
    }));

  it("C-43 comes while the stream takes nothing and records wait", () =>
    assertAllClosed(async () => {
      const held = new Latch();
      const offsets: CommittableOffset[] = [];
      const control = source(kafka, { maxBufferedRecords: 4, maxPollRecords: 2 })
        .mapAsync(1, async ({ offset }) => {
          offsets.push(offset);
          if (offsets.length > 1) await held.opened;
          return offset;
        })
        .toMat(committerSink({ maxIntervalMs: 60_000 }), DrainingControl.from)
        .run();
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 0, 2));
      await until(() => offsets.length === 2, "two begun");
      for (let offset = 2; offset < 20; offset += 2) kafka.client.give(records("t", 0, offset, 2));
      await until(() => (control.explain().partitions[0]?.buffered ?? 0) > 0, "records to wait");
      expect(await offsets[0]!.commit()).to.include({ position: 1, outcome: "committed" });
      held.open();
      await control.drainAndShutdown();
    }));

  describe("C-50 of a batch with offsets of a consumer that is closed", () => {
    const failure = new KafkaConnectorError("CLIENT_FAILED", "gone", { fatal: true });

    /** Two sources of one group and topic, one after the other; the first fails where it is told to. */
    const runs = async (ends: (first: ReturnType<typeof gather>) => Promise<void>) => {
      const first = gather(kafka);
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 0, 3));
      await until(() => first.messages.length === 3, "the first one's messages");
      await ends(first);
      const second = gather(kafka);
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 0, 5));
      await until(() => second.messages.length === 5, "the second one's messages");
      return { first, second };
    };

    it("answers notOwned for those of a source that had failed, and commits at the live one only", () =>
      assertAllClosed(async () => {
        const { first, second } = await runs(async ({ control, done }) => {
          kafka.client.failPoll(failure);
          expect(await rejectionOf(done)).to.equal(failure);
          await control.isShutdown;
        });
        const results = await batchOf([...first.messages, ...second.messages]).commit();
        expect(inShort(results)).to.have.members(["0: 3 notOwned", "0: 5 committed"]);
        expect(kafka.consumers.map((each) => each.of("commit").length)).to.deep.equal([0, 1]);
        expect(inShort(await batchOf(first.messages).commit())).to.deep.equal(["0: 3 notOwned"]);
        await second.control.shutdown();
      }));

    it("S-13 rejects where the consumer was closed in order, for then somebody forgot to wait", () =>
      assertAllClosed(async () => {
        const { first, second } = await runs(({ control }) => control.shutdown());
        const error = await rejectionOf(batchOf([...first.messages, ...second.messages]).commit());
        expect(error).to.include({ code: "CONSUMER_CLOSED" });
        // What the live one was asked is committed all the same.
        await until(() => kafka.client.of("commit").length === 1, "the second one's commit");
        await second.control.shutdown();
      }));
  });
});
