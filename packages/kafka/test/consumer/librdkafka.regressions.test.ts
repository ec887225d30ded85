import { KafkaConnectorError } from "@millrace/kafka";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../support/fake-chunk.js";
import { p0, p1 } from "../support/pipelines.js";
import { until } from "../support/until.js";
import { Rig } from "../support/regression-rig.js";
import { numbered } from "../../src/client/codes.js";

describe("what librdkafka leaves to its users", () => {
  let rig: Rig;
  beforeEach(() => {
    rig = new Rig();
  });
  afterEach(() => rig.kafka.verify());

  it("librdkafka pause refetch (#5343): a partition at its bound is paused once for every half of it, at most", () =>
    assertAllClosed(async () => {
      const control = rig.run({ maxInFlight: 20, maxBufferedRecords: 1000 });
      await rig.kafka.client.assign(p0, p1);
      rig.kafka.client.give(records("t", 0, 0, 200));
      await until(() => rig.kafka.client.paused.size === 1, "a pause");
      await rig.openAsTheyBegin(200);
      await rig.committed(200);
      const pauses = rig.kafka.client.of("pause").flatMap(({ partitions }) => partitions);
      // Each one makes the client throw away, and fetch again, what it had read ahead.
      expect(pauses.length).to.be.within(1, 200 / 10 + 1);
      expect(pauses.map(({ partition }) => partition)).not.to.include(1);
      await control.drainAndShutdown();
    }));

  it("librdkafka #2782: what was finished under the last assignment but one is not committed under this one", () =>
    assertAllClosed(async () => {
      const control = rig.run();
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 2));
      await rig.openAsTheyBegin(2);
      await rig.kafka.client.revoke(p0);
      const before = rig.positions();
      rig.renewGate();
      // Somebody else went on to 10.
      await rig.kafka.client.assign(p0);
      await rig.polls();
      rig.kafka.client.give(records("t", 0, 10, 1));
      await rig.openAsTheyBegin(1);
      await rig.committed(11);
      expect(rig.positions().slice(before.length)).to.deep.equal([11]);
      await control.drainAndShutdown();
    }));

  it("librdkafka #5604: nothing is committed of partitions that were lost, by the close neither", () =>
    assertAllClosed(async () => {
      const control = rig.run();
      rig.kafka.client.onCommit = () => undefined;
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 2));
      await rig.started("0@0", "0@1");
      rig.kafka.client.lose(p0);
      rig.gate.open("0@0", "0@1");
      await rig.polls();
      await rig.close(control);
      expect(rig.positions()).to.deep.equal([]);
    }));

  it("a partition whose committed position could not be asked for is assigned again, or it is never read", () =>
    assertAllClosed(async () => {
      const control = rig.run();
      const { client } = rig.kafka;
      await client.assign(p0, p1);
      client.give(records("t", 1, 4, 1));
      await rig.started("1@4");
      client.failPoll(new KafkaConnectorError("POLL_FAILED", "Not coordinator", { ...numbered(16), retriable: true }));
      await until(() => client.of("reassign").length === 1, "another assignment");
      expect(client.of("reassign")[0]?.partitions).to.deep.equal([p0, { ...p1, offset: 5 }]);
      client.give(records("t", 0, 0, 1));
      await rig.started("1@4", "0@0");
      // Now it is known where both are read.
      client.failPoll(new KafkaConnectorError("POLL_FAILED", "Not coordinator", { ...numbered(16), retriable: true }));
      await rig.polls();
      rig.gate.open("0@0", "1@4");
      await control.drainAndShutdown();
      expect(client.of("reassign")).to.have.length(1);
    }));

  it("a position that could not be asked for is asked for again once a rebalance that forbids it is over", () =>
    assertAllClosed(async () => {
      const control = rig.run();
      const { client } = rig.kafka;
      await client.assign(p0);
      let refusals = 0;
      client.onReassign = () => {
        if (refusals++ === 0) throw new KafkaConnectorError("REBALANCE_FAILED", "under way", { retriable: true });
      };
      client.failPoll(new KafkaConnectorError("POLL_FAILED", "Not coordinator", { ...numbered(16), retriable: true }));
      await until(() => client.of("reassign").length === 2, "another attempt");
      client.give(records("t", 0, 0, 1));
      await rig.openAsTheyBegin(1);
      await control.drainAndShutdown();
      expect(client.of("reassign").map(({ partitions }) => partitions)).to.deep.equal([[p0], [p0]]);
    }));
});
