import {
  atMostOnceSource,
  committableSink,
  committableSource,
  type CommittableOffset,
  committerSink,
  DrainingControl,
  produce,
  type ProducerEnvelope,
  string,
} from "@millrace/kafka";
import { Keep, Sink } from "@millrace/streams";
import { assertAllClosed, settle, sourceProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../support/fake-chunk.js";
import { FakeOwner } from "../support/fake-owner.js";
import { p0, p1 } from "../support/pipelines.js";
import { rejectionOf, until } from "../support/until.js";
import { passing, Rig, told } from "../support/regression-rig.js";

describe("weak points of Alpakka Kafka", () => {
  let rig: Rig;
  beforeEach(() => {
    rig = new Rig();
  });
  afterEach(() => rig.kafka.verify());

  it("Alpakka 7.3-1 (pekko #616): records that wait outlive a rebalance that leaves their partition, revoked earlier or not", () =>
    assertAllClosed(async () => {
      const control = rig.run({ maxInFlight: 1 });
      await rig.kafka.client.assign(p0);
      await rig.kafka.client.revoke(p0);
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 5));
      await rig.started("0@0");
      await until(() => told(control)?.buffered === 4, "four waiting");
      await rig.kafka.client.assign(p1);
      await rig.kafka.client.assign();
      await rig.kafka.client.revoke(p1);
      await rig.openAsTheyBegin(5);
      await rig.committed(5);
      await control.drainAndShutdown();
    }));

  it("Alpakka 7.3-2: a commit of a partition that is gone says so, and at-most-once delivers none of its records", () =>
    assertAllClosed(async () => {
      const seen: number[] = [];
      const [control, done] = atMostOnceSource({ kafka: rig.kafka.settings, topics: ["t"] })
        .toMat(
          Sink.forEach(({ offset }) => void seen.push(offset)),
          Keep.both,
        )
        .run();
      rig.kafka.client.onCommit = (commit) => {
        rig.kafka.client.lose(p0);
        commit.fail(passing());
      };
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 2));
      await until(() => rig.positions().length === 1, "the commit");
      await rig.polls(5);
      await control.shutdown();
      await done;
      expect(seen).to.deep.equal([]);
      expect(control.report()[0]).to.include({ committed: undefined });
    }));

  describe("Alpakka 7.3-3: positions never go back", () => {
    it("when a commit is tried again while later records end", () =>
      assertAllClosed(async () => {
        const control = rig.run();
        let refusals = 3;
        rig.kafka.client.onCommit = (commit) => (refusals-- > 0 ? commit.fail(passing()) : commit.acknowledge());
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 0, 10));
        await rig.openAsTheyBegin(10);
        await rig.committed(10);
        expect(rig.positions()).to.deep.equal([...rig.positions()].sort((a, b) => a - b));
        await control.drainAndShutdown();
      }));

    it("when records end in the order of their target partitions (#1242)", () =>
      assertAllClosed(async () => {
        const control = rig.run();
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 0, 6));
        await rig.started("0@0", "0@5");
        rig.gate.open("0@1", "0@3", "0@5");
        await until(() => told(control)?.behindWatermark === 3, "three behind");
        expect(rig.positions()).to.deep.equal([]);
        rig.gate.open("0@0", "0@2", "0@4");
        await rig.committed(6);
        expect(rig.positions()).to.deep.equal([...rig.positions()].sort((a, b) => a - b));
        await control.drainAndShutdown();
      }));
  });

  it("Alpakka 7.3-4: committableSink completes although several envelopes have the same offset", () =>
    assertAllClosed(async () => {
      const owner = new FakeOwner();
      const [upstream, done] = sourceProbe<ProducerEnvelope<string, string, CommittableOffset>>()
        .toMat(
          committableSink<string, string>({ kafka: rig.kafka.settings, value: string() }, { maxBatch: 10 }),
          Keep.both,
        )
        .run();
      const envelope = (value: string, offset: number): ProducerEnvelope<string, string, CommittableOffset> =>
        produce({ topic: "out", value }, owner.offset(offset));
      upstream.sendChunk([envelope("a", 0), envelope("b", 0), envelope("c", 1), envelope("d", 1)]);
      upstream.complete();
      await settle();
      await done;
      expect(owner.positions).to.deep.equal([[2]]);
    }));

  it("Alpakka 7.3-8: a single offset is committed after stop() as before it, and refused at once after the end", () =>
    assertAllClosed(async () => {
      const offsets: CommittableOffset[] = [];
      const control = committableSource({ kafka: rig.kafka.settings, topics: ["t"], commitTimeoutMs: 60_000 })
        .mapAsync(1, async ({ record, offset }) => {
          offsets.push(offset);
          await rig.gate.pass(`0@${record.offset}`);
          return offset;
        })
        .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from)
        .run();
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 1));
      await rig.started("0@0");
      await control.stop();
      rig.gate.open("0@0");
      await rig.committed(1);
      await control.drainAndShutdown();
      const [{ owner, topic, partition, epoch }] = offsets as [CommittableOffset];
      const late = owner.commit([{ topic, partition, epoch, position: 2, metadata: undefined }]);
      await rig.promptly(async () => expect(await rejectionOf(late)).to.include({ code: "CONSUMER_CLOSED" }));
    }));

  it("Alpakka 7.3-11: a commit that is refused again and again fails at its deadline, and not before", () =>
    assertAllClosed(async () => {
      const control = rig.run({ commitTimeoutMs: 200 });
      rig.kafka.client.onCommit = (commit) => commit.fail(passing());
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 1));
      await rig.openAsTheyBegin(1);
      expect(await rejectionOf(control.streamCompletion)).to.include({ code: "COMMIT_FAILED" });
      await control.isShutdown.catch(() => undefined);
      expect(rig.positions().length).to.be.greaterThan(1);
    }));

  it("Alpakka 7.3-11: a commit that timed out and was stored later counts as stored from then on", () =>
    assertAllClosed(async () => {
      const offsets: CommittableOffset[] = [];
      const control = committableSource({ kafka: rig.kafka.settings, topics: ["t"], commitTimeoutMs: 30 })
        .mapAsync(1, async ({ record, offset }) => {
          offsets.push(offset);
          await rig.gate.pass(`0@${record.offset}`);
          return offset;
        })
        .toMat(committerSink(), DrainingControl.from)
        .run();
      rig.kafka.client.onCommit = () => undefined;
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 1));
      await rig.started("0@0");
      const [offset] = offsets as [CommittableOffset];
      const error = await rejectionOf(offset.commit());
      expect(error).to.include({ code: "COMMIT_TIMEOUT" });
      expect((error as Error).message).to.match(/may still succeed/);
      expect(control.report()[0]).to.include({ committed: undefined, expectedReplays: 1 });
      rig.kafka.client.commits[0]!.acknowledge();
      await until(() => control.report()[0]?.committed === 1, "the late answer to be heard");
      expect(control.report()[0]).to.include({ expectedReplays: 0 });
      expect(await offset.commit()).to.include({ outcome: "committed", committed: 1 });
      rig.gate.open("0@0");
      await control.drainAndShutdown();
      expect(rig.positions()).to.deep.equal([1]);
    }));

  it("Alpakka 7.3-12: a stream that fails leaves its group at once, whatever is in flight", () =>
    assertAllClosed(async () => {
      const control = rig.run({ revokeTimeoutMs: 60_000 });
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 3));
      await rig.started("0@0", "0@1", "0@2");
      rig.gate.fail("0@1", new Error("handler"));
      await rig.promptly(() => control.isShutdown.catch(() => undefined));
      expect(rig.kafka.client.closed).to.equal(true);
    }));

  it("Alpakka 7.3-14: a revocation ends only after what was in flight has ended and is committed", () =>
    assertAllClosed(async () => {
      const control = rig.run({ revokeTimeoutMs: 60_000 });
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 2));
      await rig.started("0@0", "0@1");
      let revoked = false;
      const revoking = rig.kafka.client.revoke(p0).then(() => {
        revoked = true;
      });
      rig.gate.open("0@0");
      await rig.polls();
      expect(revoked).to.equal(false);
      rig.gate.open("0@1");
      await revoking;
      expect(rig.positions().at(-1)).to.equal(2);
      await control.drainAndShutdown();
    }));
});
