import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../support/fake-chunk.js";
import { p0 } from "../support/pipelines.js";
import { until } from "../support/until.js";
import { Rig } from "../support/regression-rig.js";

describe("what Confluent Parallel Consumer lost", () => {
  let rig: Rig;
  beforeEach(() => {
    rig = new Rig();
  });
  afterEach(() => rig.kafka.verify());

  describe("PC #826: records that were read and never run", () => {
    it("are not committed when their partition is revoked", () =>
      assertAllClosed(async () => {
        const control = rig.run({ revokeTimeoutMs: 1 }, 2);
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 0, 6));
        await rig.started("0@0", "0@1");
        rig.gate.open("0@0");
        await rig.started("0@2");
        await rig.kafka.client.revoke(p0);
        await rig.close(control);
        expect(Math.max(...rig.positions())).to.equal(1);
      }));

    it("are not committed when the consumer closes", () =>
      assertAllClosed(async () => {
        const control = rig.run({ revokeTimeoutMs: 1 }, 2);
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 0, 6));
        await rig.started("0@0", "0@1");
        rig.gate.open("0@0");
        await rig.committed(1);
        await rig.close(control);
        expect(Math.max(...rig.positions())).to.equal(1);
      }));
  });

  it("PC #909: a record that comes back is worked on, whatever is left of it from the assignment before", () =>
    assertAllClosed(async () => {
      const control = rig.run({ revokeTimeoutMs: 1 });
      for (let round = 0; round < 3; round++) {
        rig.renewGate();
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 0, 3));
        await rig.started("0@0", "0@1", "0@2");
        await rig.kafka.client.revoke(p0);
      }
      rig.renewGate();
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 3));
      await rig.started("0@0", "0@1", "0@2");
      rig.openEarlier();
      await rig.polls();
      expect(rig.positions()).to.deep.equal([]);
      rig.gate.open("0@0", "0@1", "0@2");
      await rig.committed(3);
      await control.drainAndShutdown();
    }));

  /** 1. Offset 3 was finished before, offset 2 was not. 2. Offset 1 is read and finished alone. 3. Nothing of 2 is read yet. */
  it("PC #894: a success below what was finished before moves the position to the next record that is not, read or unread", () =>
    assertAllClosed(async () => {
      const first = rig.run({ rememberFinished: true });
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 4));
      await rig.started("0@0", "0@1", "0@2", "0@3");
      rig.gate.open("0@3", "0@0");
      await until(() => rig.kafka.client.of("commit").at(-1)?.positions[0]?.metadata !== undefined, "a commit");
      await rig.committed(1);
      rig.gate.fail("0@1", new Error("crash"));
      await first.isShutdown.catch(() => undefined);
      const stored = rig.kafka.client.of("commit").at(-1)?.positions ?? [];
      rig.kafka.onConsumer = (consumer) => {
        consumer.stored = stored;
        consumer.onWatermarks = () => ({ low: 0, high: 4 });
      };
      rig.renewGate();
      const second = rig.run({ rememberFinished: true });
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 1, 1));
      await rig.started("0@1");
      rig.gate.open("0@1");
      await rig.committed(2);
      rig.kafka.client.give(records("t", 0, 2, 3));
      await rig.started("0@2", "0@4");
      expect(rig.gate.started).not.to.include("0@3");
      rig.gate.open("0@4", "0@2");
      await rig.committed(5);
      await second.drainAndShutdown();
    }));
});
