import { Keep } from "@millrace/streams";
import { type Committable, type CommittableOffsetBatch, committerFlow, type CommitterSettings } from "@millrace/kafka";
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
import { FakeOwner } from "../../support/fake-owner.js";
import { rejectionOf } from "../../support/until.js";

interface Bench {
  readonly upstream: SourceProbe<Committable>;
  readonly downstream: SinkProbe<CommittableOffsetBatch>;
  readonly clock: VirtualClock;
  readonly owner: FakeOwner;
}

describe("committerFlow", () => {
  const onBench = (settings: CommitterSettings, block: (bench: Bench) => Promise<void>): Promise<void> =>
    assertAllClosed(async () => {
      const clock = virtualClock();
      const checks = checked();
      const [upstream, downstream] = sourceProbe<Committable>()
        .via(committerFlow(settings))
        .toMat(sinkProbe<CommittableOffsetBatch>(), Keep.both)
        .run({ clock, wrap: checks.wrap });
      await block({ upstream, downstream, clock, owner: new FakeOwner() });
      downstream.cancel();
      checks.verify();
    });

  const positionsOf = (batch: CommittableOffsetBatch): readonly number[] =>
    batch.offsets().map(({ position }) => position);

  it("C-26 commits what came before a failure of upstream, then fails with it", () =>
    onBench({ maxBatch: 3 }, async ({ upstream, downstream, owner }) => {
      const broken = new Error("upstream");
      downstream.request();
      for (let offset = 0; offset < 10; offset++) upstream.send(owner.offset(offset));
      upstream.fail(broken);
      const emitted: number[] = [];
      for (let batch = 0; batch < 4; batch++) emitted.push(...positionsOf(await downstream.next()));
      expect(emitted).to.deep.equal([3, 6, 9, 10]);
      expect(await downstream.expectError()).to.equal(broken);
      expect(owner.positions).to.deep.equal([[3], [6], [9], [10]]);
    }));

  it("C-26 waits for the answer to the last commit before it fails", () =>
    onBench({ maxBatch: 3 }, async ({ upstream, downstream, owner }) => {
      owner.onCommit = () => undefined;
      downstream.request();
      upstream.send(owner.offset(0));
      upstream.fail(new Error("upstream"));
      await downstream.expectNothing();
      expect(owner.positions).to.deep.equal([[1]]);
      owner.commits[0]!.answer.open();
      await downstream.next();
      await downstream.expectError();
    }));

  it("fails with the commit's own error, and commits nothing it still gathers", () =>
    onBench({ maxBatch: 2 }, async ({ upstream, downstream, owner }) => {
      const refused = new Error("refused");
      owner.onCommit = (answer) => answer.fail(refused);
      upstream.send(owner.offset(0), owner.offset(1), owner.offset(2));
      expect(await downstream.expectError()).to.equal(refused);
      expect(await upstream.expectCancel()).to.equal(refused);
      expect(owner.positions).to.deep.equal([[2]]);
    }));

  it("refuses nonsense in its settings and names it", async () => {
    const error = await rejectionOf((async () => committerFlow({ maxBatch: 0 }))());
    expect(error).to.include({ code: "INVALID_SETTINGS" });
    expect((error as Error).message).to.match(/committerFlow: .*[\s\S]*maxBatch/);
  });

  it("C-20 holds the first of two offsets, and commits once with the second", () =>
    onBench({ maxBatch: 2 }, async ({ upstream, downstream, owner }) => {
      upstream.send(owner.offset(0));
      await downstream.expectNothing();
      expect(owner.positions).to.deep.equal([]);
      upstream.send(owner.offset(1));
      expect(positionsOf(await downstream.next())).to.deep.equal([2]);
      expect(owner.positions).to.deep.equal([[2]]);
    }));

  it("C-21 commits a single offset when the interval has passed, and not before", () =>
    onBench({ maxBatch: 2, maxIntervalMs: 100 }, async ({ upstream, downstream, clock, owner }) => {
      downstream.request();
      upstream.send(owner.offset(0));
      await clock.advance(99);
      expect(owner.positions).to.deep.equal([]);
      await clock.advance(1);
      expect(owner.positions).to.deep.equal([[1]]);
      expect(positionsOf(await downstream.next())).to.deep.equal([1]);
    }));

  it("C-22 commits nothing at an interval without offsets, and the next offset needs no second demand", () =>
    onBench({ maxBatch: 1, maxIntervalMs: 100 }, async ({ upstream, downstream, clock, owner }) => {
      downstream.request();
      await clock.advance(1000);
      expect(owner.positions).to.deep.equal([]);
      expect(clock.pending).to.equal(0);
      upstream.send(owner.offset(0));
      await settle();
      expect(downstream.received).to.have.length(1);
    }));

  it("C-23 closes the batch after one closed by time by its size", () =>
    onBench({ maxBatch: 2, maxIntervalMs: 100 }, async ({ upstream, downstream, clock, owner }) => {
      downstream.request();
      upstream.send(owner.offset(0));
      await clock.advance(100);
      await downstream.next();
      downstream.request();
      upstream.send(owner.offset(1), owner.offset(2));
      await settle();
      expect(owner.positions).to.deep.equal([[1], [3]]);
      expect(clock.pending).to.equal(0);
    }));

  it("C-24 commits everything gathered before it completes", () =>
    onBench({ maxBatch: 10 }, async ({ upstream, downstream, owner }) => {
      upstream.send(owner.offset(0), owner.offset(1), owner.offset(2));
      upstream.complete();
      const [last, ...others] = await downstream.rest();
      expect(positionsOf(last!)).to.deep.equal([3]);
      expect(others).to.deep.equal([]);
      expect(owner.positions).to.deep.equal([[3]]);
    }));

  it("C-25 completes only when a slow commit is answered", () =>
    onBench({ maxBatch: 10 }, async ({ upstream, downstream, clock, owner }) => {
      owner.onCommit = (answer) => void clock.schedule(50, () => answer.open());
      upstream.send(owner.offset(0), owner.offset(1));
      upstream.complete();
      downstream.request();
      await clock.advance(49);
      expect(downstream.state).to.equal("open");
      await clock.advance(1);
      expect(await downstream.rest()).to.have.length(1);
      expect(owner.positions).to.deep.equal([[2]]);
    }));

  it("emits batches in the order of their commits, however they are answered", () =>
    onBench({ maxBatch: 1, parallelism: 3 }, async ({ upstream, downstream, owner }) => {
      owner.onCommit = () => undefined;
      downstream.request();
      upstream.send(owner.offset(0), owner.offset(1), owner.offset(2));
      await settle();
      owner.commits[2]!.answer.open();
      owner.commits[1]!.answer.open();
      await downstream.expectNothing();
      owner.commits[0]!.answer.open();
      expect((await downstream.nextChunk()).map(positionsOf)).to.deep.equal([[1], [2], [3]]);
    }));

  it("holds upstream back when parallelism commits are under way", () =>
    onBench({ maxBatch: 1, parallelism: 2 }, async ({ upstream, downstream, owner }) => {
      owner.onCommit = () => undefined;
      downstream.request();
      for (let offset = 0; offset < 9; offset++) upstream.send(owner.offset(offset));
      await settle();
      expect(owner.positions).to.have.length(2);
      await upstream.expectNoPull();
    }));

  it("holds upstream back when downstream does not take the batches (I11)", () =>
    onBench({ maxBatch: 1, parallelism: 2 }, async ({ upstream, downstream, owner }) => {
      downstream.request();
      for (let offset = 0; offset < 50; offset++) {
        upstream.send(owner.offset(offset));
        await settle(1);
      }
      expect(owner.positions.length).to.be.at.most(5);
    }));
});
