import { KafkaConnectorError } from "@millrace/kafka";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../support/fake-chunk.js";
import { FollowedRig } from "../support/followed-rig.js";
import { Gate } from "../support/gate.js";
import { p0 } from "../support/pipelines.js";
import { errorOf, until } from "../support/until.js";

describe("a source with offset context", () => {
  let rig: FollowedRig;
  beforeEach(() => {
    rig = new FollowedRig();
  });
  afterEach(() => rig.kafka.verify());

  describe("that remembers what is finished above the position", () => {
    it("is refused where the driver sends no metadata", () => {
      rig.kafka.commitsMetadata = false;
      expect(errorOf(() => rig.source({ rememberFinished: true }))).to.include({ code: "INVALID_SETTINGS" });
    });

    it("tells it with the commit, and the next owner skips it", () =>
      assertAllClosed(async () => {
        const first = rig.unordered({ rememberFinished: true });
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 0, 5));
        await rig.started(5);
        rig.gate.open("0@0", "0@2", "0@4");
        await until(() => rig.kafka.client.of("commit").at(-1)?.positions[0]?.offset === 1, "a commit");
        await until(() => first.explain().partitions[0]?.behindWatermark === 2, "all to end");
        rig.gate.fail("0@1", new Error("crash"));
        await first.isShutdown.catch(() => undefined);
        const stored = rig.kafka.client.of("commit").at(-1)!.positions;
        rig.gate = new Gate();
        rig.kafka.onConsumer = (consumer) => {
          consumer.stored = stored;
        };
        const second = rig.unordered({ rememberFinished: true });
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 1, 5));
        await rig.started(3);
        expect(rig.gate.started).to.deep.equal(["0@1", "0@3", "0@5"]);
        rig.gate.open("0@1", "0@3", "0@5");
        await until(() => rig.last()?.[0]?.[1] === 6, "a commit of all");
        await second.drainAndShutdown();
      }));

    it("is told as well when a partition is given up of which nothing else was finished", () =>
      assertAllClosed(async () => {
        const control = rig.unordered({ rememberFinished: true, revokeTimeoutMs: 20 }, 60_000);
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 0, 3));
        await rig.started(3);
        rig.gate.open("0@2");
        await until(() => control.explain().partitions[0]?.behindWatermark === 1, "one to end");
        await rig.kafka.client.revoke(p0);
        const told = rig.kafka.client.of("commit").at(-1)?.positions[0];
        expect(told).to.include({ offset: 0 });
        expect(told?.metadata).to.be.a("string").that.is.not.empty;
        rig.gate.open("0@0", "0@1");
        await control.drainAndShutdown();
      }));

    it("goes on without it when the broker finds the metadata too large", () =>
      assertAllClosed(async () => {
        const control = rig.unordered({ rememberFinished: true });
        rig.kafka.client.onCommit = (commit) =>
          commit.positions.some(({ metadata }) => metadata !== undefined)
            ? commit.fail(new KafkaConnectorError("COMMIT_FAILED", "metadata too large", { clientCode: 12 }))
            : commit.acknowledge();
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 0, 3));
        await rig.started(3);
        rig.gate.open("0@0", "0@2");
        await until(() => control.explain().partitions[0]?.committed === 1, "a commit");
        rig.gate.open("0@1");
        await control.drainAndShutdown();
        expect(rig.last()).to.deep.equal([[0, 3]]);
      }));

    it("never fails on metadata it does not know", () =>
      assertAllClosed(async () => {
        rig.kafka.onConsumer = (consumer) => {
          consumer.stored = [{ ...p0, offset: 0, metadata: "somebody else's" }];
        };
        const control = rig.unordered({ rememberFinished: { parallelConsumer: true } });
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 0, 1));
        await rig.started(1);
        rig.gate.open("0@0");
        await control.drainAndShutdown();
      }));
  });
});
