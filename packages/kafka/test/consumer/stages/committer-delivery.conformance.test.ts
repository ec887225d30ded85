import {
  type Committable,
  type CommittableOffsetBatch,
  committableSource,
  committerFlow,
  committerSink,
  type CommitterSettings,
  DrainingControl,
  KafkaConnectorError,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import { Keep } from "@millrace/streams";
import {
  assertAllClosed,
  checked,
  settle,
  type SinkProbe,
  sinkProbe,
  type SourceProbe,
  sourceProbe,
  type VirtualClock,
  virtualClock,
} from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../../support/fake-chunk.js";
import { FakeKafka } from "../../support/fake-kafka.js";
import { FakeOwner } from "../../support/fake-owner.js";
import { p0, source } from "../../support/pipelines.js";
import { morePolls, until } from "../../support/until.js";

interface Bench {
  readonly upstream: SourceProbe<Committable>;
  readonly downstream: SinkProbe<CommittableOffsetBatch>;
  readonly clock: VirtualClock;
  readonly owner: FakeOwner;
}

const onBench = (settings: CommitterSettings, block: (bench: Bench) => Promise<void>): Promise<void> =>
  assertAllClosed(async () => {
    const clock = virtualClock();
    const checks = checked();
    const [upstream, downstream] = sourceProbe<Committable>()
      .via(committerFlow({ delivery: "sendAndForget", ...settings }))
      .toMat(sinkProbe<CommittableOffsetBatch>(), Keep.both)
      .run({ clock, wrap: checks.wrap });
    await block({ upstream, downstream, clock, owner: new FakeOwner() });
    downstream.cancel();
    checks.verify();
  });

const positionsOf = (batch: CommittableOffsetBatch): readonly number[] =>
  batch.offsets().map(({ position }) => position);

describe("a committer that sends and forgets", () => {
  it("goes on when a commit fails", () =>
    onBench({ maxBatch: 1 }, async ({ upstream, downstream, owner }) => {
      owner.onCommit = (answer) => answer.fail(new Error("refused"));
      downstream.request();
      upstream.send(owner.offset(0), owner.offset(1));
      upstream.complete();
      expect((await downstream.rest()).flatMap(positionsOf)).to.deep.equal([1, 2]);
      expect(owner.untold).to.have.length(2);
    }));

  it("C-51 passes batches on before they are answered, and completes only after the last answer", () =>
    onBench({ maxBatch: 2 }, async ({ upstream, downstream, owner }) => {
      owner.onCommit = () => undefined;
      downstream.request();
      upstream.send(owner.offset(0), owner.offset(1), owner.offset(2));
      expect(positionsOf(await downstream.next())).to.deep.equal([2]);
      upstream.complete();
      expect(positionsOf(await downstream.next())).to.deep.equal([3]);
      downstream.request();
      await settle();
      expect(downstream.state).to.equal("open");
      for (const { answer } of owner.commits) answer.open();
      expect(await downstream.rest()).to.deep.equal([]);
    }));

  it("waits for the last answer also when upstream fails, and then fails with that", () =>
    onBench({ maxBatch: 2 }, async ({ upstream, downstream, owner }) => {
      const broken = new Error("upstream");
      owner.onCommit = () => undefined;
      downstream.request();
      upstream.send(owner.offset(0));
      upstream.fail(broken);
      expect(positionsOf(await downstream.next())).to.deep.equal([1]);
      downstream.request();
      await settle();
      expect(downstream.state).to.equal("open");
      owner.commits[0]!.answer.open();
      expect(await downstream.expectError()).to.equal(broken);
    }));

  it("never holds upstream back for answers, and gathers on beyond maxBatch while parallelism are missing (I11)", () =>
    onBench({ maxBatch: 2, parallelism: 2 }, async ({ upstream, downstream, owner }) => {
      owner.onCommit = () => undefined;
      for (let offset = 0; offset < 100; offset += 2) {
        downstream.request();
        upstream.send(owner.offset(offset), owner.offset(offset + 1));
        await settle(1);
      }
      expect(owner.positions).to.deep.equal([[2], [4]]);
      expect(downstream.received.flatMap(positionsOf)).to.deep.equal([2, 4]);
      owner.commits[0]!.answer.open();
      await settle();
      expect(owner.positions).to.deep.equal([[2], [4], [100]]);
      for (const { answer } of owner.commits) answer.open();
    }));

  it("refuses an offset that comes after a higher one all the same", () =>
    onBench({ maxBatch: 2 }, async ({ upstream, downstream, owner }) => {
      downstream.request();
      upstream.send(owner.offset(5), owner.offset(3));
      expect(await downstream.expectError()).to.include({ code: "OFFSET_REORDERED" });
      expect(owner.positions).to.deep.equal([]);
    }));
});

describe("a consumer whose committer sends and forgets", () => {
  const refused = new KafkaConnectorError("COMMIT_FAILED", "refused");
  let kafka: FakeKafka;
  let warnings: string[];
  beforeEach(() => {
    kafka = new FakeKafka();
    warnings = [];
  });
  afterEach(() => kafka.verify());

  const settings = () => {
    const quiet = (): void => undefined;
    const warn = (message: string): void => void warnings.push(message);
    return { kafka: { ...kafka.settings, logger: { debug: quiet, info: quiet, warn, error: quiet } }, topics: ["t"] };
  };
  const forgetting = { delivery: "sendAndForget", maxBatch: 1, maxIntervalMs: 1 } as const;
  const explicit = () =>
    committableSource(settings())
      .map(({ offset }) => offset)
      .toMat(committerSink(forgetting), DrainingControl.from)
      .run();
  const followed = () =>
    sourceWithOffsetContext({ ...settings(), value: string() })
      .map(({ offset }) => offset)
      .toMat(committerSink(forgetting), DrainingControl.from)
      .run();

  for (const [name, run] of Object.entries({ explicit, followed })) {
    it(`logs and counts a commit that fails, goes on, and makes it good (${name})`, () =>
      assertAllClosed(async () => {
        const control = run();
        let refusals = 1;
        kafka.client.onCommit = (commit) => (refusals-- > 0 ? commit.fail(refused) : commit.acknowledge());
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 0, 1));
        await until(() => control.metrics().failedCommits === 1, "the failure");
        kafka.client.give(records("t", 0, 1, 1));
        await until(() => control.report()[0]?.committed === 2, "the next commit");
        const report = await control.drainAndShutdown();
        expect(report).to.include({ processed: 2, expectedReplays: 0 });
        expect(warnings).to.deep.equal(["kafka consumer: a commit failed, and the stream goes on: refused"]);
      }));

    it(`drains although the last commit fails, after one more attempt, and reports what is repeated (${name})`, () =>
      assertAllClosed(async () => {
        const control = run();
        kafka.client.onCommit = (commit) => commit.fail(refused);
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 0, 1));
        await until(() => control.metrics().failedCommits > 0, "the failure");
        const report = await control.drainAndShutdown();
        expect(report).to.include({ processed: 1, expectedReplays: 1 });
        expect(kafka.client.of("commit").length).to.be.greaterThan(1);
      }));

    it(`C-51 waits at the end for the answer to the last commit (${name})`, () =>
      assertAllClosed(async () => {
        const control = run();
        kafka.client.onCommit = () => undefined;
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 0, 1));
        await until(() => kafka.client.commits.length === 1, "a commit");
        let drained = false;
        const draining = control.drainAndShutdown().then((report) => {
          drained = true;
          return report;
        });
        await morePolls(kafka.client, 3);
        expect(drained).to.equal(false);
        kafka.client.onCommit = (commit) => commit.acknowledge();
        kafka.client.commits[0]!.acknowledge();
        expect(await draining).to.include({ expectedReplays: 0 });
      }));
  }

  it("counts the failure also by default, and fails the stream", () =>
    assertAllClosed(async () => {
      const control = source(kafka)
        .map(({ offset }) => offset)
        .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from)
        .run();
      kafka.client.onCommit = (commit) => commit.fail(refused);
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 0, 1));
      expect(await control.isShutdown.catch((error: unknown) => error)).to.equal(refused);
      expect(control.metrics()).to.include({ commits: 0, failedCommits: 1 });
    }));
});
