import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../support/fake-chunk.js";
import { p0, p1 } from "../support/pipelines.js";
import { until } from "../support/until.js";
import { passing, Rig, told } from "../support/regression-rig.js";

const FOR_EVER_MS = 60_000;

describe("where Reactor Kafka stood still", () => {
  let rig: Rig;
  beforeEach(() => {
    rig = new Rig();
  });
  afterEach(() => rig.kafka.verify());

  it("Reactor #304: a partition at its bound goes on after a commit that failed and was tried again", () =>
    assertAllClosed(async () => {
      let refusals = 2;
      const control = rig.run({ maxInFlight: 4 });
      rig.kafka.client.onCommit = (commit) => (refusals-- > 0 ? commit.fail(passing()) : commit.acknowledge());
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 20));
      await until(() => rig.kafka.client.paused.size === 1, "a pause");
      await rig.openAsTheyBegin(20);
      await rig.committed(20);
      await until(() => rig.kafka.client.paused.size === 0, "the pause to end");
      expect(refusals).to.be.lessThan(1);
      await control.drainAndShutdown();
    }));

  describe("Reactor #371: a revocation waits for what is in flight, and for nothing else", () => {
    it("when everything is finished, time after time", () =>
      assertAllClosed(async () => {
        const control = rig.run({ revokeTimeoutMs: FOR_EVER_MS });
        for (let round = 0; round < 3; round++) {
          rig.renewGate();
          await rig.kafka.client.assign(p0);
          rig.kafka.client.give(records("t", 0, 2 * round, 2));
          await rig.openAsTheyBegin(2);
          await rig.promptly(() => rig.kafka.client.revoke(p0));
          expect(rig.positions().at(-1)).to.equal(2 * round + 2);
        }
        await control.drainAndShutdown();
      }));

    it("after partitions were lost with records in flight that nobody has ended", () =>
      assertAllClosed(async () => {
        const control = rig.run({ revokeTimeoutMs: FOR_EVER_MS });
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 0, 3));
        await rig.started("0@0", "0@1", "0@2");
        rig.kafka.client.lose(p0);
        rig.renewGate();
        await rig.kafka.client.assign(p0, p1);
        rig.kafka.client.give(records("t", 1, 0, 1));
        await rig.openAsTheyBegin(1);
        await rig.promptly(() => rig.kafka.client.revoke(p0, p1));
        await rig.promptly(() => rig.close(control));
      }));
  });

  it("Reactor #386: a slow handler that outlasts a revocation holds nothing back afterwards", () =>
    assertAllClosed(async () => {
      const control = rig.run({ maxInFlight: 4, maxInFlightTotal: 8, revokeTimeoutMs: 1 });
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 10));
      await rig.started("0@0", "0@1", "0@2", "0@3");
      rig.renewGate();
      await rig.kafka.client.revoke(p0);
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 10));
      await rig.openAsTheyBegin(10);
      await rig.committed(10);
      rig.openEarlier();
      await rig.polls();
      expect(told(control)).to.include({ inFlight: 0, buffered: 0, committed: 10 });
      await control.drainAndShutdown();
    }));
});
