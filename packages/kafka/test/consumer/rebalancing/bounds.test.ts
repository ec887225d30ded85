import {
  committableSource,
  committerSink,
  DrainingControl,
  plainPartitionedSource,
  plainSource,
  string,
} from "@millrace/kafka";
import { Keep, Sink } from "@millrace/streams";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../../support/fake-chunk.js";
import type { FakeConsumer } from "../../support/fake-consumer.js";
import { FakeKafka } from "../../support/fake-kafka.js";
import { p0, p1 } from "../../support/pipelines.js";
import { errorOf, rejectionOf, until } from "../../support/until.js";

describe("where a source begins and ends", () => {
  let kafka: FakeKafka;
  beforeEach(() => {
    kafka = new FakeKafka();
  });
  afterEach(() => kafka.verify());

  const settings = () => ({ kafka: kafka.settings, topics: ["t"], value: string() });
  const prepared = (prepare: (client: FakeConsumer) => void): void => {
    kafka.onConsumer = prepare;
  };
  const subscribed = async (): Promise<unknown> => {
    await until(() => kafka.client.of("subscribe").length === 1, "a subscription");
    return kafka.client.of("subscribe")[0]?.subscription;
  };

  describe("until a bound", () => {
    it("fails when the bound cannot be looked up", () =>
      assertAllClosed(async () => {
        const failure = new Error("no broker");
        prepared((client) => {
          client.onWatermarks = () => {
            throw failure;
          };
        });
        const done = plainSource({ ...settings(), until: "end" }).runWith(Sink.ignore);
        await kafka.client.assign(p0);
        expect(await rejectionOf(done)).to.equal(failure);
      }));

    it("completes when every partition was delivered up to what was its end, and commits all of it", () =>
      assertAllClosed(async () => {
        prepared((client) => {
          client.onWatermarks = ({ partition }) => ({ low: 0, high: partition === 0 ? 3 : 2 });
        });
        const seen: string[] = [];
        const [control, done] = committableSource({ ...settings(), until: "end" })
          .map(({ record, offset }) => {
            seen.push(`${record.partition}@${record.offset}`);
            return offset;
          })
          .toMat(committerSink(), Keep.both)
          .run();
        await kafka.client.assign(p0, p1);
        kafka.client.onWatermarks = () => ({ low: 0, high: 1000 });
        kafka.client.give([...records("t", 0, 0, 5), ...records("t", 1, 0, 1)]);
        kafka.client.give(records("t", 1, 1, 4));
        await done;
        await control.isShutdown;
        expect(seen).to.have.members(["0@0", "0@1", "0@2", "1@0", "1@1"]);
        const positions = kafka.client.of("commit").flatMap((commit) => commit.positions);
        expect(positions).to.deep.include.members([
          { ...p0, offset: 3 },
          { ...p1, offset: 2 },
        ]);
      }));

    it("completes at an end behind hidden records, and where there is nothing to read", () =>
      assertAllClosed(async () => {
        prepared((client) => {
          client.onWatermarks = ({ partition }) => ({ low: 0, high: partition === 0 ? 4 : 0 });
        });
        const [control, done] = plainSource({ ...settings(), until: "end" })
          .toMat(Sink.toArray(), Keep.both)
          .run();
        await kafka.client.assign(p0, p1);
        kafka.client.reachEnd({ ...p1, offset: 0 });
        kafka.client.reachEnd({ ...p0, offset: 2 });
        kafka.client.give(records("t", 0, 0, 3));
        kafka.client.reachEnd({ ...p0, offset: 4 });
        expect((await done).map(({ offset }) => offset)).to.deep.equal([0, 1, 2]);
        await control.isShutdown;
      }));

    it("ends before the first record that is as young as a timestamp, else at the end", () =>
      assertAllClosed(async () => {
        prepared((client) => {
          client.onTimes = (times) =>
            times.filter(({ partition }) => partition === 0).map(() => ({ ...p0, offset: 2 }));
          client.onWatermarks = () => ({ low: 0, high: 1 });
        });
        const done = plainSource({ ...settings(), until: { timestamp: 500 } }).runWith(Sink.toArray());
        await kafka.client.assign(p0, p1);
        kafka.client.give([...records("t", 0, 0, 9), ...records("t", 1, 0, 9)]);
        const offsets = (await done).map(({ partition, offset }) => `${partition}@${offset}`);
        expect(offsets).to.have.members(["0@0", "0@1", "1@0"]);
      }));

    it("completes each partition's source by itself", () =>
      assertAllClosed(async () => {
        prepared((client) => {
          client.onWatermarks = () => ({ low: 0, high: 1 });
        });
        const ended: number[] = [];
        const control = plainPartitionedSource({ ...settings(), until: "end" })
          .mapAsyncUnordered(10, async ({ partition, source }) => {
            await source.runWith(Sink.ignore);
            ended.push(partition);
          })
          .toMat(Sink.ignore, DrainingControl.from)
          .run();
        await kafka.client.assign(p0, p1);
        kafka.client.give(records("t", 0, 0, 1));
        await until(() => ended.length === 1, "one to end");
        kafka.client.give(records("t", 1, 0, 1));
        await control.streamCompletion;
        expect(ended).to.deep.equal([0, 1]);
        await control.drainAndShutdown();
      }));
  });

  describe("from", () => {
    it("Q-20 a negative timestamp is refused", () => {
      for (const settingsOf of [
        { startAt: { timestamp: -1 }, topics: ["t"] },
        { until: { timestamp: -1 }, topics: ["t"] },
        { assignment: [{ ...p0, timestamp: -1 }] },
        { assignment: [{ ...p0, timestamp: 1, offset: 1 }] },
      ]) {
        expect(errorOf(() => plainSource({ kafka: kafka.settings, ...settingsOf }))).to.include({
          code: "INVALID_SETTINGS",
        });
      }
    });

    it("a place of its own is refused for a group that commits, which each rebalance would begin again", () => {
      const error = errorOf(() => committableSource({ ...settings(), startAt: "beginning" }));
      expect(error).to.include({ code: "INVALID_SETTINGS" });
      expect((error as Error).message).to.match(/autoOffsetReset/);
    });

    it("the beginning or the end, for each assignment", () =>
      assertAllClosed(async () => {
        const [control] = plainSource({ ...settings(), startAt: "end" })
          .toMat(Sink.ignore, Keep.both)
          .run();
        await kafka.client.assign(p0);
        expect(kafka.client.of("assigned")[0]?.partitions).to.deep.equal([{ ...p0, offset: "end" }]);
        await control.shutdown();
      }));

    it("Q-14 Q-25 Q-26 a timestamp: the first record that is not older, else the end as it was looked up", () =>
      assertAllClosed(async () => {
        let asked = 0;
        prepared((client) => {
          client.onWatermarks = () => ({ low: 0, high: 8 });
          client.onTimes = (times) => {
            asked += 1;
            return times.filter(({ partition }) => partition === 0).map(() => ({ ...p0, offset: 51 }));
          };
        });
        const [control] = plainSource({ ...settings(), startAt: { timestamp: 9 } })
          .toMat(Sink.ignore, Keep.both)
          .run();
        await kafka.client.assign(p0, p1);
        expect(asked).to.equal(2);
        expect(kafka.client.of("assigned")[0]?.partitions).to.deep.equal([
          { ...p0, offset: 51 },
          { ...p1, offset: 8 },
        ]);
        await control.shutdown();
      }));

    it("Q-27 a timestamp of a partition that does not exist yet begins at its beginning", () =>
      assertAllClosed(async () => {
        prepared((client) => {
          client.onWatermarks = () => {
            throw new Error("unknown partition");
          };
        });
        const [control] = plainSource({ kafka: kafka.settings, assignment: [{ ...p0, timestamp: 9 }] })
          .toMat(Sink.ignore, Keep.both)
          .run();
        expect(await subscribed()).to.deep.equal({
          kind: "assignment",
          partitions: [{ ...p0, offset: "beginning" }],
        });
        await control.shutdown();
      }));

    it("Q-12 Q-13 an assignment: each partition's own offset or timestamp goes before startAt", () =>
      assertAllClosed(async () => {
        prepared((client) => {
          client.onTimes = (times) => times.map(({ topic, partition }) => ({ topic, partition, offset: 77 }));
        });
        const p2 = { topic: "t", partition: 2 };
        const [control] = plainSource({
          kafka: kafka.settings,
          startAt: "beginning",
          assignment: [{ ...p0, offset: 5 }, p1, { ...p2, timestamp: 1 }],
        })
          .toMat(Sink.ignore, Keep.both)
          .run();
        expect(await subscribed()).to.deep.equal({
          kind: "assignment",
          partitions: [
            { ...p0, offset: 5 },
            { ...p1, offset: "beginning" },
            { ...p2, offset: 77 },
          ],
        });
        await control.shutdown();
      }));
  });
});
