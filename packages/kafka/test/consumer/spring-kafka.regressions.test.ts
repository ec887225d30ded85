import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { type FakeRecord, records } from "../support/fake-chunk.js";
import { p0 } from "../support/pipelines.js";
import { until } from "../support/until.js";
import { passing, Rig, told } from "../support/regression-rig.js";

/** Records between which transaction markers, aborted records and compaction have left holes. */
const holey = (count: number): readonly FakeRecord[] =>
  Array.from({ length: count }, (_, index) => records("t", 0, 3 * index + (index % 2), 1)).flat();
const nameOf = ({ partition, offset }: FakeRecord): string => `${partition}@${offset}`;

describe("where Spring Kafka stood still", () => {
  let rig: Rig;
  beforeEach(() => {
    rig = new Rig();
  });
  afterEach(() => rig.kafka.verify());

  it("Spring #4258: offsets with holes are committed over the holes, and nothing stays paused", () =>
    assertAllClosed(async () => {
      const control = rig.run({ maxInFlight: 4 });
      const given = holey(30);
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(given);
      await until(() => rig.kafka.client.paused.size === 1, "a pause");
      await rig.openAsTheyBegin(30);
      await rig.committed((given.at(-1)?.offset ?? 0) + 1);
      await until(() => rig.kafka.client.paused.size === 0, "the pause to end");
      await control.drainAndShutdown();
    }));

  it("Spring #4342: records that end in any order, over holes, hold a partition back only until the oldest has ended", () =>
    assertAllClosed(async () => {
      const control = rig.run({ maxInFlight: 5 });
      const given = holey(25);
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(given);
      for (let from = 0; from < given.length; from += 5) {
        const names = given.slice(from, from + 5).map(nameOf);
        await rig.started(...names);
        const [oldest = "", ...later] = names;
        rig.gate.open(...later.toReversed());
        await until(() => told(control)?.behindWatermark === 4, "four behind the oldest");
        expect(rig.gate.started).to.have.length(from + 5);
        expect(rig.positions().at(-1) ?? 0).to.be.at.most(given[from]?.offset ?? 0);
        rig.gate.open(oldest);
      }
      await rig.committed((given.at(-1)?.offset ?? 0) + 1);
      await until(() => rig.kafka.client.paused.size === 0, "the pause to end");
      await control.drainAndShutdown();
    }));

  it("Spring #3186: a commit that failed is not sent again after a later one, on a revocation neither", () =>
    assertAllClosed(async () => {
      const control = rig.run();
      let refusals = 1;
      rig.kafka.client.onCommit = (commit) => (refusals-- > 0 ? commit.fail(passing()) : commit.acknowledge());
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 4));
      await rig.started("0@0", "0@3");
      rig.gate.open("0@0");
      await until(() => refusals < 1, "a refusal");
      rig.gate.open("0@1", "0@2");
      await rig.committed(3);
      rig.gate.open("0@3");
      await rig.kafka.client.revoke(p0);
      expect(rig.positions()).to.deep.equal([...rig.positions()].sort((a, b) => a - b));
      expect(rig.positions().at(-1)).to.equal(4);
      await rig.close(control);
    }));
});
