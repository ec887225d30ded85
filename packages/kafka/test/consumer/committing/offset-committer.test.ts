import { KafkaConnectorError } from "@millrace/kafka";
import { systemClock } from "@millrace/streams";
import { expect } from "chai";
import type { TopicPartitionOffset } from "../../../src/client/port.js";
import { connectorError } from "../../../src/client/rdkafka/error-codes.js";
import { OffsetCommitter } from "../../../src/consumer/committing/offset-committer.js";
import { OwnedPartition } from "../../../src/consumer/partitions/owned-partition.js";
import { AuditTrail } from "../../../src/ledger/auditor.js";
import { rejectionOf, until } from "../../support/until.js";
import { Latch } from "../../../../../test/support/latch.js";
import { unheard } from "../../support/unheard.js";
import { numbered } from "../../../src/client/codes.js";

const failed = (retriable: boolean, clientCode?: number): KafkaConnectorError =>
  new KafkaConnectorError("COMMIT_FAILED", "refused", { retriable, ...numbered(clientCode) });

/** A partition of which 200 records were delivered. */
const delivered = (partition: number, epoch = 1): OwnedPartition => {
  const owned = new OwnedPartition({ topic: "t", partition }, epoch, new AuditTrail("t", partition, epoch), unheard);
  owned.commits();
  for (let offset = 0; offset < 200; offset++) owned.open(offset, 0);
  return owned;
};

describe("OffsetCommitter", () => {
  let requests: { readonly positions: readonly TopicPartitionOffset[]; readonly answer: Latch }[];
  let partitions: OwnedPartition[];
  let audited: number;
  let committer: OffsetCommitter;

  beforeEach(() => {
    requests = [];
    audited = 0;
    partitions = [delivered(0), delivered(1)];
    committer = new OffsetCommitter({
      commitTimeoutMs: 1000,
      clock: systemClock,
      partitions: () => partitions,
      auditor: { check: () => void (audited += 1), committed: () => undefined },
      client: {
        commit: (positions) => {
          const answer = new Latch();
          requests.push({ positions, answer });
          return answer.opened;
        },
      },
    });
  });

  /** Finishes everything below `position` and commits. */
  const commit = (position: number, partition = 0, metadata?: string): Promise<void> => {
    partitions.find((each) => each.partition === partition)?.endThrough(position - 1, metadata);
    return committer.commit();
  };

  const lose = (partition: number): void => {
    for (const owned of partitions) if (owned.partition === partition) owned.fence();
    partitions = partitions.map((owned) => (owned.partition === partition ? delivered(partition, 2) : owned));
  };

  const request = async (index: number): Promise<Latch> => {
    await until(() => requests.length > index, `request ${index}`);
    return requests[index]!.answer;
  };
  const sent = (): number[] => requests.flatMap(({ positions }) => positions.map(({ offset }) => offset));

  it("asks the auditor before each request, and sends nothing it refuses", async () => {
    committer = new OffsetCommitter({
      commitTimeoutMs: 1000,
      clock: systemClock,
      partitions: () => partitions,
      auditor: {
        check: () => {
          throw new Error("never");
        },
        committed: () => undefined,
      },
      client: { commit: () => expect.fail("sent") },
    });
    expect(await rejectionOf(commit(5))).to.have.property("message", "never");
    expect(audited).to.equal(0);
  });

  it("fails a refused commit, and never goes below it afterwards: it may have been stored (I7)", async () => {
    const first = commit(100);
    (await request(0)).fail(failed(false));
    expect(await rejectionOf(first)).to.include({ code: "COMMIT_FAILED" });
    const second = commit(50);
    (await request(1)).open();
    await second;
    expect(sent()).to.deep.equal([100, 100]);
    expect(audited).to.equal(2);
  });

  it("does not let a late offset of an old assignment displace one of the new", async () => {
    const old = partitions[0]!;
    const blocker = commit(1, 1);
    await request(0);
    lose(0);
    old.endThrough(99, undefined);
    const both = [commit(10), committer.commit()];
    requests[0]!.answer.open();
    await blocker;
    (await request(1)).open();
    await Promise.all(both);
    expect(sent()).to.deep.equal([1, 10]);
  });

  it("does not retry for a partition lost meanwhile (I6)", async () => {
    const asked = commit(5);
    const answer = await request(0);
    answer.fail(failed(true));
    lose(0);
    await asked;
    expect(sent()).to.deep.equal([5]);
  });

  it("does not retry for a partition that is being given up when its generation is gone", async () => {
    const asked = commit(5);
    partitions[0]!.retire();
    (await request(0)).fail(failed(false, 22));
    await asked;
    expect(sent()).to.deep.equal([5]);
  });

  it("fails nobody by a refusal that concerns only lost partitions", async () => {
    const asked = commit(5);
    const answer = await request(0);
    lose(0);
    answer.fail(failed(false));
    await asked;
  });

  it("retries only what is still owned", async () => {
    void commit(5, 0);
    const asked = commit(7, 1);
    (await request(0)).fail(failed(true));
    lose(1);
    (await request(1)).open();
    await asked;
    expect(requests[1]!.positions).to.deep.equal([{ topic: "t", partition: 0, offset: 5 }]);
  });

  /** By the code of a broker or of librdkafka, as the driver makes an error of it. */
  const refusedWith = (code: number): Error =>
    connectorError("COMMIT_FAILED", "The offsets could not be committed", { code, message: "" });

  // A leader or a coordinator that is missing, loads or is elsewhere; a group that moves on; a network that is away.
  for (const code of [3, 14, 15, 16, 22, 25, 27, 82, 113, -195, -185, -180]) {
    it(`tries a commit again that was refused with code ${code}, though others have succeeded before`, async () => {
      const before = commit(1);
      (await request(0)).open();
      await before;
      const asked = commit(5);
      (await request(1)).fail(refusedWith(code));
      (await request(2)).open();
      await asked;
      expect(sent()).to.deep.equal([1, 5, 5]);
      expect([committer.commits, committer.failures]).to.deep.equal([2, 0]);
    });
  }

  // Too much metadata, a commit that is too large, no authorization, no such call.
  for (const code of [12, 28, 29, 30, -172]) {
    it(`gives up at once what was refused with code ${code}`, async () => {
      const asked = commit(5);
      (await request(0)).fail(refusedWith(code));
      expect(await rejectionOf(asked)).to.include({ code: "COMMIT_FAILED", clientCode: code });
      expect(sent()).to.deep.equal([5]);
      expect([committer.commits, committer.failures]).to.deep.equal([0, 1]);
    });
  }

  it("refuses commits once it is closed, and says what would have helped", async () => {
    committer.close();
    const error = await rejectionOf(commit(1));
    expect(error).to.include({ code: "CONSUMER_CLOSED" });
    expect((error as Error).message).to.match(/drainAndShutdown/);
  });

  it("resolves without a request what is committed already", async () => {
    const first = commit(10);
    (await request(0)).open();
    await first;
    await commit(10);
    await commit(9);
    expect(sent()).to.deep.equal([10]);
    expect(committer.busy).to.equal(false);
  });

  it("sends what was asked for in one turn together", async () => {
    const commits = [commit(1), commit(3), commit(2), commit(8, 1)];
    (await request(0)).open();
    await Promise.all(commits);
    expect(
      requests.map(({ positions }) => positions.map(({ partition, offset }) => [partition, offset])),
    ).to.deep.equal([
      [
        [0, 3],
        [1, 8],
      ],
    ]);
  });

  it("commits the offset of the next delivered record where offsets are missing between", async () => {
    const owned = new OwnedPartition({ topic: "t", partition: 0 }, 1, new AuditTrail("t", 0, 1), unheard);
    owned.commits();
    for (const offset of [3, 4, 9]) owned.open(offset, 0);
    partitions = [owned];
    const asked = commit(5);
    (await request(0)).open();
    await asked;
    expect(sent()).to.deep.equal([9]);
  });

  it("keeps the metadata", async () => {
    const asked = commit(1, 0, "m");
    (await request(0)).open();
    await asked;
    expect(requests[0]!.positions).to.deep.equal([{ topic: "t", partition: 0, offset: 1, metadata: "m" }]);
  });
});
