import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../../support/fake-chunk.js";
import { FakeKafka } from "../../support/fake-kafka.js";
import { gated, gather, p0, p1 } from "../../support/pipelines.js";
import { morePolls, until } from "../../support/until.js";
import { Latch } from "../../../../../test/support/latch.js";

describe("a rebalance", () => {
  let kafka: FakeKafka;
  beforeEach(() => {
    kafka = new FakeKafka();
  });
  afterEach(() => kafka.verify());

  const polls = async (count = 3): Promise<void> => {
    await morePolls(kafka.client, count);
  };

  const committed = (): unknown => kafka.client.of("commit").map(({ positions }) => positions);

  it("drops what was read ahead of a revoked partition, and keeps that of others", () =>
    assertAllClosed(async () => {
      const first = new Latch();
      const { messages, control } = gated(kafka, () => first.opened);
      await kafka.client.assign(p0, p1);
      kafka.client.give(records("t", 0, 0, 1));
      await until(() => messages.length === 1, "a message");
      // Three chunks, so that mapAsync holds at most one of them.
      kafka.client.give(records("t", 1, 0, 1));
      kafka.client.give([...records("t", 0, 1, 2), ...records("t", 1, 1, 2)]);
      await until(() => kafka.client.waiting === 0, "all records to be fetched");
      await kafka.client.revoke(p0);
      first.open();
      await until(() => messages.length === 4, "the messages of partition 1");
      await control.drainAndShutdown();
      const seen = messages.map(({ record }) => `${record.partition}@${record.offset}`);
      expect(seen).to.deep.equal(["0@0", "1@0", "1@1", "1@2"]);
    }));

  it("ignores commits of a lost partition, and resolves them (I6)", () =>
    assertAllClosed(async () => {
      const { messages, control } = gather(kafka);
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 0, 1));
      await until(() => messages.length === 1, "a message");
      await kafka.client.revoke(p0);
      await messages[0]!.offset.commit();
      await kafka.client.assign(p0);
      await messages[0]!.offset.commit();
      await control.shutdown();
      expect(committed()).to.deep.equal([]);
    }));

  it("gives a partition that comes back a new epoch, under which its records are committed", () =>
    assertAllClosed(async () => {
      const { messages, control } = gather(kafka);
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 0, 5));
      await until(() => messages.length === 5, "messages");
      await kafka.client.revoke(p0);
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 2, 2));
      await until(() => messages.length === 7, "messages again");
      expect(messages.map(({ offset }) => offset.epoch)).to.deep.equal([1, 1, 1, 1, 1, 2, 2]);
      await Promise.all([messages[5]!.offset.commit(), messages[4]!.offset.commit()]);
      expect(committed()).to.deep.equal([[{ ...p0, offset: 3 }]]);
      await control.shutdown();
    }));

  it("lets a commit under way end before the partition is given up (I4)", () =>
    assertAllClosed(async () => {
      const { messages, control } = gather(kafka);
      kafka.client.onCommit = () => undefined;
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 0, 1));
      await until(() => messages.length === 1, "a message");
      const done = messages[0]!.offset.commit();
      await until(() => kafka.client.commits.length === 1, "a commit");
      let revoked = false;
      const revoking = kafka.client.revoke(p0).then(() => {
        revoked = true;
      });
      await polls();
      expect(revoked).to.equal(false);
      kafka.client.commits[0]!.acknowledge();
      await Promise.all([done, revoking]);
      await control.shutdown();
    }));

  it("delivers nothing that arrives while the partition is being given up", () =>
    assertAllClosed(async () => {
      const { messages, control } = gather(kafka);
      kafka.client.onCommit = () => undefined;
      await kafka.client.assign(p0, p1);
      kafka.client.give(records("t", 0, 0, 1));
      await until(() => messages.length === 1, "a message");
      const done = messages[0]!.offset.commit();
      await until(() => kafka.client.commits.length === 1, "a commit");
      const revoking = kafka.client.revoke(p0);
      kafka.client.give([...records("t", 0, 1, 3), ...records("t", 1, 7, 1)]);
      await polls();
      kafka.client.commits[0]!.acknowledge();
      await Promise.all([done, revoking]);
      await polls();
      await control.shutdown();
      const seen = messages.map(({ record }) => `${record.partition}@${record.offset}`);
      expect(seen).to.deep.equal(["0@0", "1@7"]);
    }));

  /**
   * 1. Records 1 to 5 wait in the buffer; the partition is revoked, and they are dropped. 2. While the revocation waits for a
   * commit, records 6 to 8 arrive. 3. The partition comes back, and is read again from its committed position, 1. 4. Were
   * records 6 to 8 delivered now, under the new epoch, their commit would skip 1 to 5.
   */
  it("never delivers late records of an old assignment under the new one (I1)", () =>
    assertAllClosed(async () => {
      const gates = [new Latch(), new Latch()];
      let taken = 0;
      const { messages, control } = gated(kafka, () => gates[taken++]?.opened ?? Promise.resolve());
      kafka.client.onCommit = () => undefined;
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 0, 1));
      await until(() => messages.length === 1, "the first message");
      kafka.client.give(records("t", 0, 1, 1));
      gates[0]!.open();
      await until(() => kafka.client.commits.length === 1 && messages.length === 2, "a commit and the second message");
      kafka.client.give(records("t", 0, 2, 4));
      await until(() => kafka.client.waiting === 0, "records 2 to 5 to be read ahead");
      const revoking = kafka.client.revoke(p0);
      kafka.client.give(records("t", 0, 6, 3));
      await until(() => kafka.client.waiting === 0, "records 6 to 8 to be fetched");
      kafka.client.commits[0]!.acknowledge();
      await revoking;
      await kafka.client.assign(p0);
      kafka.client.onCommit = (commit) => commit.acknowledge();
      gates[1]!.open();
      await polls();
      expect(messages.map(({ record }) => record.offset)).to.deep.equal([0, 1]);
      kafka.client.give(records("t", 0, 1, 2));
      await until(() => messages.length === 4, "records 1 and 2 again");
      await control.drainAndShutdown();
      expect(messages.map(({ record, offset }) => [record.offset, offset.epoch])).to.deep.equal([
        [0, 1],
        [1, 1],
        [1, 2],
        [2, 2],
      ]);
      expect(committed()).to.deep.equal([[{ ...p0, offset: 1 }], [{ ...p0, offset: 2 }], [{ ...p0, offset: 3 }]]);
    }));

  it("delivers nothing of a partition that is not assigned", () =>
    assertAllClosed(async () => {
      const { messages, control } = gather(kafka);
      await kafka.client.assign(p0, p1);
      await kafka.client.revoke(p0);
      kafka.client.give([...records("t", 0, 0, 3), ...records("t", 1, 0, 1)]);
      await until(() => messages.length > 0, "a message");
      await control.shutdown();
      expect(messages.map(({ record }) => record.partition)).to.deep.equal([1]);
    }));
});
