import { KafkaConnectorError } from "@millrace/kafka";
import { expect } from "chai";
import type { TopicPartitionOffset } from "../../src/client/port.js";
import type { PositionToCommit } from "../../src/committable-offset.js";
import { OffsetCommitter } from "../../src/consumer/offset-committer.js";
import { Latch, rejectionOf, until } from "../support/until.js";

const at = (position: number, epoch = 1, partition = 0, metadata?: string): PositionToCommit => ({
  topic: "t",
  partition,
  position,
  epoch,
  metadata,
});

const failed = (retriable: boolean): KafkaConnectorError =>
  new KafkaConnectorError("COMMIT_FAILED", "refused", { retriable });

describe("OffsetCommitter", () => {
  let requests: { readonly positions: readonly TopicPartitionOffset[]; readonly answer: Latch }[];
  let epoch: number;
  let committer: OffsetCommitter;

  beforeEach(() => {
    requests = [];
    epoch = 1;
    committer = new OffsetCommitter({
      commitTimeoutMs: 1000,
      owns: (position) => position.epoch === epoch,
      client: {
        commit: (positions) => {
          const answer = new Latch();
          requests.push({ positions, answer });
          return answer.opened;
        },
      },
    });
  });

  const request = async (index: number): Promise<Latch> => {
    await until(() => requests.length > index, `request ${index}`);
    return requests[index]!.answer;
  };
  const sent = (): number[] => requests.flatMap(({ positions }) => positions.map(({ offset }) => offset));

  it("fails a refused commit, and never goes below it afterwards: it may have been stored (I7)", async () => {
    const first = committer.commit([at(100)]);
    (await request(0)).fail(failed(false));
    expect(await rejectionOf(first)).to.include({ code: "COMMIT_FAILED" });
    const second = committer.commit([at(50)]);
    (await request(1)).open();
    await second;
    expect(sent()).to.deep.equal([100, 100]);
  });

  it("does not let a late offset of an old assignment displace one of the new", async () => {
    const blocker = committer.commit([at(1, 1, 1)]);
    await request(0);
    epoch = 2;
    const both = [committer.commit([at(10, 2)]), committer.commit([at(100, 1)])];
    requests[0]!.answer.open();
    await blocker;
    (await request(1)).open();
    await Promise.all(both);
    expect(sent()).to.deep.equal([1, 10]);
  });

  it("does not retry for a partition lost meanwhile (I6)", async () => {
    const commit = committer.commit([at(5)]);
    const answer = await request(0);
    answer.fail(failed(true));
    epoch = 2;
    await commit;
    expect(sent()).to.deep.equal([5]);
  });

  it("fails nobody by a refusal that concerns only lost partitions", async () => {
    const commit = committer.commit([at(5)]);
    const answer = await request(0);
    epoch = 2;
    answer.fail(failed(false));
    await commit;
  });

  it("retries only what is still owned", async () => {
    committer = new OffsetCommitter({
      commitTimeoutMs: 1000,
      owns: ({ partition }) => partition !== 1 || epoch === 1,
      client: {
        commit: (positions) => {
          const answer = new Latch();
          requests.push({ positions, answer });
          return answer.opened;
        },
      },
    });
    const commit = committer.commit([at(5, 1, 0), at(7, 1, 1)]);
    (await request(0)).fail(failed(true));
    epoch = 2;
    (await request(1)).open();
    await commit;
    expect(requests[1]!.positions).to.deep.equal([{ topic: "t", partition: 0, offset: 5 }]);
  });

  it("refuses commits once it is closed, and says what would have helped", async () => {
    committer.close();
    const error = await rejectionOf(committer.commit([at(1)]));
    expect(error).to.include({ code: "CONSUMER_CLOSED" });
    expect((error as Error).message).to.match(/drainAndShutdown/);
  });

  it("resolves without a request what is committed already", async () => {
    const first = committer.commit([at(10)]);
    (await request(0)).open();
    await first;
    await committer.commit([at(10)]);
    await committer.commit([at(9)]);
    expect(sent()).to.deep.equal([10]);
    expect(committer.busy).to.equal(false);
  });

  it("sends what was asked for in one turn together", async () => {
    const commits = [at(1), at(3), at(2), at(8, 1, 1)].map((position) => committer.commit([position]));
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

  it("keeps the metadata", async () => {
    const commit = committer.commit([at(1, 1, 0, "m")]);
    (await request(0)).open();
    await commit;
    expect(requests[0]!.positions).to.deep.equal([{ topic: "t", partition: 0, offset: 1, metadata: "m" }]);
  });
});
