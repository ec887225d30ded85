import { type PartitionWithOffsetContext, partitionedSourceWithOffsetContext, string } from "@millrace/kafka";
import { Keep, Sink } from "@millrace/streams";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../support/fake-chunk.js";
import { p0, p1 } from "../support/pipelines.js";
import { rejectionOf, until } from "../support/until.js";
import { Rig } from "../support/regression-rig.js";

const FOR_EVER_MS = 60_000;

describe("where zio-kafka waited in vain", () => {
  let rig: Rig;
  beforeEach(() => {
    rig = new Rig();
  });
  afterEach(() => rig.kafka.verify());

  it("zio #1132: a revocation does not wait for a partition's stream that was never started", () =>
    assertAllClosed(async () => {
      const offered: PartitionWithOffsetContext<string, string>[] = [];
      const [control, done] = partitionedSourceWithOffsetContext({
        kafka: rig.kafka.settings,
        topics: ["t"],
        value: string(),
        revokeTimeoutMs: FOR_EVER_MS,
      })
        .toMat(
          Sink.forEach((each) => void offered.push(each)),
          Keep.both,
        )
        .run();
      await rig.kafka.client.assign(p0, p1);
      rig.kafka.client.give([...records("t", 0, 0, 3), ...records("t", 1, 0, 3)]);
      await until(() => offered.length === 2, "both partitions");
      await rig.promptly(() => rig.kafka.client.revoke(p0, p1));
      await rig.promptly(() => control.shutdown());
      await done;
      expect(rig.positions()).to.deep.equal([]);
    }));

  it("zio #1572: a revocation does not wait for commits that a failed stream will not ask for", () =>
    assertAllClosed(async () => {
      const control = rig.run({ revokeTimeoutMs: FOR_EVER_MS });
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 3));
      await rig.started("0@0", "0@1", "0@2");
      const revoked = rig.promptly(() => rig.kafka.client.revoke(p0));
      const failure = new Error("handler");
      rig.gate.fail("0@1", failure);
      await revoked;
      expect(await rejectionOf(control.streamCompletion)).to.equal(failure);
      await rig.promptly(() => control.isShutdown.catch(() => undefined));
      expect(rig.positions()).to.deep.equal([]);
    }));
});
