import {
  committableSource,
  committerSink,
  type CommitterSettings,
  DrainingControl,
  KafkaConnectorError,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import { assertAllClosed, settle, type VirtualClock, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../../support/fake-chunk.js";
import { FakeKafka } from "../../support/fake-kafka.js";
import { p0, p1 } from "../../support/pipelines.js";
import { morePolls, until } from "../../support/until.js";
import { Latch } from "../../../../../test/support/latch.js";

const REFRESH_MS = 5000;

describe("a committer with refreshIntervalMs", () => {
  let kafka: FakeKafka;
  let clock: VirtualClock;
  beforeEach(() => {
    kafka = new FakeKafka();
    clock = virtualClock();
  });
  afterEach(() => kafka.verify());

  const refreshing: CommitterSettings = { maxBatch: 1, refreshIntervalMs: REFRESH_MS };
  const held = (): Promise<void> => Promise.resolve();
  const explicit = (work = held) =>
    committableSource({ kafka: kafka.settings, topics: ["t"], revokeTimeoutMs: 0 })
      .mapAsync(1, async ({ offset }) => {
        await work();
        return offset;
      })
      .toMat(committerSink(refreshing), DrainingControl.from)
      .run({ clock });
  const followed = (work = held) =>
    sourceWithOffsetContext({ kafka: kafka.settings, topics: ["t"], value: string(), revokeTimeoutMs: 0 })
      .mapAsync(1, work)
      .toMat(committerSink(refreshing), DrainingControl.from)
      .run({ clock });

  const sent = (): (readonly string[])[] =>
    kafka.client
      .of("commit")
      .map((commit) => commit.positions.map(({ partition, offset }) => `${partition}@${offset}`));

  const commits = (count: number): Promise<void> => until(() => sent().length === count, `${count} commits`);

  /** Waits while time passes, for commits that wait for one another. */
  const soon = async (holds: () => boolean, what: string): Promise<void> => {
    for (let tries = 0; !holds(); tries++) {
      if (tries === 2000) throw new Error(`expected ${what} within ${tries} ms`);
      await clock.advance(1);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };

  /** Time passes, and a client has had time to commit. */
  const pass = async (ms: number): Promise<void> => {
    await clock.advance(ms);
    await settle();
    await morePolls(kafka.client, 2);
  };

  it("commits nothing again unless it is set", () =>
    assertAllClosed(async () => {
      const control = committableSource({ kafka: kafka.settings, topics: ["t"] })
        .map(({ offset }) => offset)
        .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from)
        .run({ clock });
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 0, 1));
      await commits(1);
      await pass(1_000_000);
      expect(sent()).to.deep.equal([["0@1"]]);
      await control.drainAndShutdown();
    }));

  for (const [surface, run] of Object.entries({ explicit, followed })) {
    it(`C-55 commits the last positions again at the interval, though nothing finishes (${surface})`, () =>
      assertAllClosed(async () => {
        const control = run();
        await kafka.client.assign(p0, p1);
        kafka.client.give(records("t", 0, 0, 3));
        await soon(() => control.report()[0]?.committed === 3, "all committed");
        const before = sent().length;
        await pass(REFRESH_MS);
        expect(sent().slice(before)).to.deep.equal([["0@3"]]);
        await pass(REFRESH_MS);
        expect(sent().slice(before)).to.deep.equal([["0@3"], ["0@3"]]);
        expect((await control.drainAndShutdown()).expectedReplays).to.equal(0);
        await clock.advance(10 * REFRESH_MS);
        expect(sent()).to.have.length(before + 2);
      }));

    it(`C-55 leaves out partitions that are not owned any more (${surface})`, () =>
      assertAllClosed(async () => {
        const control = run();
        await kafka.client.assign(p0, p1);
        kafka.client.give([...records("t", 0, 0, 1), ...records("t", 1, 4, 1)]);
        await soon(() => control.report().every(({ committed }) => committed !== undefined), "both committed");
        const before = sent().length;
        kafka.client.lose(p0);
        await pass(REFRESH_MS);
        await commits(before + 1);
        expect(sent().at(-1)).to.deep.equal(["1@5"]);
        await control.drainAndShutdown();
      }));

    it(`never commits again above a record that is not finished (I1, ${surface})`, () =>
      assertAllClosed(async () => {
        const busy = new Latch();
        let begun = 0;
        const control = run(async () => {
          begun += 1;
          if (begun > 2) await busy.opened;
        });
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 0, 5));
        await soon(() => control.report()[0]?.committed === 2 && begun === 3, "the third to begin");
        const before = sent().length;
        await pass(REFRESH_MS);
        await commits(before + 1);
        expect(sent().at(-1)).to.deep.equal(["0@2"]);
        busy.open();
        await control.drainAndShutdown();
      }));
  }

  it("goes on when a refresh fails, and tries again at the next interval", () =>
    assertAllClosed(async () => {
      const control = explicit();
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 0, 1));
      await until(() => control.report()[0]?.committed === 1, "the commit");
      kafka.client.onCommit = (commit) => commit.fail(new KafkaConnectorError("COMMIT_FAILED", "refused"));
      await pass(REFRESH_MS);
      await until(() => control.metrics().failedCommits === 1, "the failure");
      kafka.client.onCommit = (commit) => commit.acknowledge();
      await pass(REFRESH_MS);
      await until(() => control.metrics().commits === 2, "the next refresh");
      await control.drainAndShutdown();
    }));

  it("stores again what an earlier run had stored of a partition from which nothing comes, until something does", () =>
    assertAllClosed(async () => {
      const control = followed();
      await kafka.client.assign(p0, p1);
      kafka.client.stored = [
        { ...p0, offset: 100, metadata: "of old" },
        { ...p1, offset: 7 },
      ];
      await pass(REFRESH_MS);
      await commits(1);
      expect(kafka.client.of("commit")[0]!.positions).to.deep.equal([
        { ...p0, offset: 100, metadata: "of old" },
        { ...p1, offset: 7 },
      ]);
      expect(control.report().map(({ committed }) => committed)).to.deep.equal([undefined, undefined]);
      kafka.client.give(records("t", 0, 90, 1));
      await until(() => control.report()[0]?.committed === 91, "what came");
      await pass(REFRESH_MS);
      await commits(3);
      expect(sent().slice(1)).to.deep.equal([["0@91"], ["0@91", "1@7"]]);
      await control.drainAndShutdown();
    }));
});
