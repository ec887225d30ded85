import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../support/fake-chunk.js";
import { p0, p1 } from "../support/pipelines.js";
import { Rig } from "../support/regression-rig.js";

describe("what Redpanda Connect lost", () => {
  let rig: Rig;
  beforeEach(() => {
    rig = new Rig();
  });
  afterEach(() => rig.kafka.verify());

  describe("RP Connect #4009: what ends after its partition was revoked is not committed", () => {
    it("by the commits of the partitions that stay", () =>
      assertAllClosed(async () => {
        const control = rig.run({ revokeTimeoutMs: 1 });
        await rig.kafka.client.assign(p0, p1);
        rig.kafka.client.give([...records("t", 0, 0, 3), ...records("t", 1, 0, 3)]);
        await rig.started("0@2", "1@2");
        await rig.kafka.client.revoke(p0);
        rig.gate.open("0@0", "0@1", "0@2", "1@0", "1@1", "1@2");
        await rig.committed(3, 1);
        await control.drainAndShutdown();
        expect(rig.positions(0)).to.deep.equal([]);
      }));

    it("when the partition comes back: the position is that of the work done since", () =>
      assertAllClosed(async () => {
        const control = rig.run({ revokeTimeoutMs: 1 });
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 0, 3));
        await rig.started("0@0", "0@1", "0@2");
        await rig.kafka.client.revoke(p0);
        rig.renewGate();
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 1, 3));
        await rig.started("0@1", "0@2", "0@3");
        rig.openEarlier();
        rig.gate.open("0@1");
        await rig.committed(2);
        await rig.polls();
        expect(rig.positions()).to.deep.equal([2]);
        rig.gate.open("0@2", "0@3");
        await rig.committed(4);
        await control.drainAndShutdown();
      }));
  });
});
