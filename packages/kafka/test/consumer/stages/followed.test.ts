import {
  committerSink,
  type DrainError,
  DrainingControl,
  KafkaConnectorError,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import { Supervision } from "@millrace/streams";
import { liveRuns } from "@millrace/streams/stage";
import { assertAllClosed, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../../support/fake-chunk.js";
import { FollowedRig } from "../../support/followed-rig.js";
import { p0, p1 } from "../../support/pipelines.js";
import { rejectionOf, until } from "../../support/until.js";

const nothing = (): void => undefined;
const silent = { debug: nothing, info: nothing, warn: nothing, error: nothing };

describe("a source with offset context", () => {
  let rig: FollowedRig;
  beforeEach(() => {
    rig = new FollowedRig();
  });
  afterEach(() => rig.kafka.verify());

  it("commits nothing above the lowest unfinished record, whatever has finished above it (I1)", () =>
    assertAllClosed(async () => {
      const control = rig.unordered();
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 4));
      await rig.started(4);
      rig.gate.open("0@0", "0@2", "0@3");
      await until(() => rig.positions().length > 0, "a commit");
      expect(rig.last()).to.deep.equal([[0, 1]]);
      rig.gate.open("0@1");
      await until(() => rig.last()?.[0]?.[1] === 4, "a commit of all");
      const report = await control.drainAndShutdown();
      expect(report).to.include({ delivered: 4, processed: 4, abandoned: 0, expectedReplays: 0 });
    }));

  it("leaves the record of a failed handler unfinished, and commits what came before it (I3)", () =>
    assertAllClosed(async () => {
      const control = rig.unordered();
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 3));
      await rig.started(3);
      rig.gate.open("0@0", "0@2");
      await until(() => rig.last()?.[0]?.[1] === 1, "a commit");
      const failure = new Error("handler");
      rig.gate.fail("0@1", failure);
      expect(await rejectionOf(control.streamCompletion)).to.equal(failure);
      await control.isShutdown.catch(() => undefined);
      expect(rig.last()).to.deep.equal([[0, 1]]);
      expect(control.report()[0]).to.include({ processed: 2, abandoned: 1, committed: 1, expectedReplays: 2 });
    }));

  it("ends a record that supervision drops as discarded", () =>
    assertAllClosed(async () => {
      const control = rig
        .source()
        .map(({ offset }) => {
          if (offset === 1) throw new Error("poison");
          return offset;
        })
        .withAttributes({ supervision: Supervision.resumingDecider })
        .toMat(committerSink({ maxIntervalMs: 1 }), DrainingControl.from)
        .run();
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 3));
      await until(() => rig.last()?.[0]?.[1] === 3, "a commit of all");
      expect(await control.drainAndShutdown()).to.include({ processed: 2, discarded: 1, expectedReplays: 0 });
    }));

  it("commits a partition of which every record is filtered out", () =>
    assertAllClosed(async () => {
      const control = rig
        .source()
        .filter(() => false)
        .toMat(committerSink({ maxIntervalMs: 1 }), DrainingControl.from)
        .run();
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 5, 3));
      await until(() => rig.last()?.[0]?.[1] === 8, "a commit");
      expect(await control.drainAndShutdown()).to.include({ delivered: 3, discarded: 3 });
    }));

  it("reports records as processed that were handled and then given no output, and a filtered one as discarded", () =>
    assertAllClosed(async () => {
      const control = rig
        .source()
        .filter(({ offset }) => offset !== 1)
        .mapAsync(2, async ({ offset }) => (offset === 2 ? [] : new Set<number>()))
        .mapConcat((outputs) => outputs)
        .toMat(committerSink({ maxIntervalMs: 1 }), DrainingControl.from)
        .run();
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 4));
      await until(() => rig.last()?.[0]?.[1] === 4, "a commit of all");
      const report = await control.drainAndShutdown();
      expect(report).to.include({ delivered: 4, processed: 3, discarded: 1, expectedReplays: 0 });
    }));

  it("fails when a commit is refused", () =>
    assertAllClosed(async () => {
      const control = rig.unordered();
      rig.kafka.client.onCommit = (commit) => commit.fail(new KafkaConnectorError("COMMIT_FAILED", "refused"));
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 1));
      await rig.started(1);
      rig.gate.open("0@0");
      expect(await rejectionOf(control.streamCompletion)).to.include({ code: "COMMIT_FAILED" });
      await control.isShutdown.catch(() => undefined);
    }));

  it("commits what a bounded stream finished before its end is reported", () =>
    assertAllClosed(async () => {
      const [control, done] = rig
        .source()
        .take(2)
        .toMat(committerSink({ maxIntervalMs: 60_000 }), (...both) => both)
        .run();
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 5));
      await done;
      expect(rig.last()).to.deep.equal([[0, 2]]);
      await control.isShutdown;
    }));

  it("commits nothing when the context is discarded, and is never held back", () =>
    assertAllClosed(async () => {
      const seen: number[] = [];
      const before = liveRuns();
      const iterator = rig.source({ maxInFlight: 2 }).discardContext().take(20).iterate();
      const reading = (async () => {
        for await (const { offset } of iterator) seen.push(offset);
      })();
      await until(() => rig.kafka.consumers.length > 0, "a client");
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 20));
      await reading;
      expect(seen).to.have.length(20);
      await until(() => liveRuns() <= before, "the end");
      expect(rig.positions()).to.deep.equal([]);
    }));

  describe("when a partition is revoked (I4)", () => {
    it("gives it up only when its records are finished and committed, while others go on", () =>
      assertAllClosed(async () => {
        const control = rig.unordered({}, 60_000);
        await rig.kafka.client.assign(p0, p1);
        rig.kafka.client.give([...records("t", 0, 0, 2), ...records("t", 1, 0, 1)]);
        await rig.started(3);
        let given = false;
        const revoked = rig.kafka.client.revoke(p0).then(() => {
          given = true;
        });
        rig.kafka.client.give([...records("t", 0, 2, 1), ...records("t", 1, 1, 1)]);
        await rig.started(4);
        expect(rig.gate.started, "nothing more of it").to.not.include("0@2");
        rig.gate.open("0@1");
        await until(() => rig.kafka.client.of("poll").length > 3, "polling to go on");
        expect(given).to.equal(false);
        rig.gate.open("0@0");
        await revoked;
        expect(rig.last()).to.deep.equal([[0, 2]]);
        rig.gate.open("1@0", "1@1");
        expect(await control.drainAndShutdown()).to.include({ processed: 4, abandoned: 0, expectedReplays: 0 });
      }));

    it("gives it up at the deadline, commits what is finished, and ignores what ends later (I6)", () =>
      assertAllClosed(async () => {
        const control = rig.unordered({ revokeTimeoutMs: 20 }, 60_000);
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 0, 2));
        await rig.started(2);
        rig.gate.open("0@0");
        await rig.kafka.client.revoke(p0);
        expect(rig.last()).to.deep.equal([[0, 1]]);
        rig.gate.open("0@1");
        const report = await control.drainAndShutdown();
        expect(report).to.include({ processed: 1, abandoned: 1, expectedReplays: 1 });
        expect(rig.positions()).to.have.length(1);
      }));

    it("does not wait for a stream that has failed", () =>
      assertAllClosed(async () => {
        const control = rig.unordered({ revokeTimeoutMs: 60_000 });
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 0, 2));
        await rig.started(2);
        rig.gate.fail("0@0", new Error("handler"));
        await control.isShutdown.catch(() => undefined);
        expect(rig.kafka.client.closed).to.equal(true);
      }));
  });

  it("commits nothing of a lost partition, and counts what is abandoned (I5)", () =>
    assertAllClosed(async () => {
      const control = rig.unordered({}, 60_000);
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 3));
      await rig.started(3);
      rig.gate.open("0@0");
      await until(() => control.report()[0]?.processed === 1, "a finished record");
      rig.kafka.client.lose(p0);
      rig.gate.open("0@1", "0@2");
      const report = await control.drainAndShutdown();
      expect(rig.positions()).to.deep.equal([]);
      expect(report).to.include({ delivered: 3, processed: 1, abandoned: 2, expectedReplays: 3 });
    }));

  describe("at its bounds (I11)", () => {
    it("holds back a partition with too many unfinished records, and no other", () =>
      assertAllClosed(async () => {
        const control = rig.unordered({ maxInFlight: 2, maxBufferedRecords: 10 });
        await rig.kafka.client.assign(p0, p1);
        rig.kafka.client.give(records("t", 0, 0, 5));
        await rig.started(2);
        await until(() => rig.kafka.client.paused.size === 1, "a pause");
        rig.kafka.client.give(records("t", 1, 0, 2));
        await rig.started(4);
        const held = control.explain().partitions.find(({ partition }) => partition === 0);
        expect(held).to.include({ state: "paused", inFlight: 2, buffered: 3 });
        rig.gate.open("0@0", "0@1", "1@0", "1@1");
        await rig.started(6);
        rig.gate.open("0@2", "0@3");
        await rig.started(7);
        rig.gate.open("0@4");
        expect(await control.drainAndShutdown()).to.include({ processed: 7 });
      }));

    it("does not leave a partition paused that is revoked while it is held back, and comes again", () =>
      assertAllClosed(async () => {
        const control = rig.unordered({ maxInFlight: 2, revokeTimeoutMs: 1 });
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 0, 5));
        await rig.started(2);
        await until(() => rig.kafka.client.paused.size === 1, "a pause");
        await rig.kafka.client.revoke(p0);
        expect(rig.kafka.client.paused.size).to.equal(0);
        rig.gate.open("0@0", "0@1");
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 0, 1));
        await rig.started(3);
        rig.gate.open("0@0");
        await control.drainAndShutdown();
      }));

    it("counts what is finished behind an unfinished record", () =>
      assertAllClosed(async () => {
        const control = rig.unordered({ maxInFlight: 3 });
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 0, 5));
        await rig.started(3);
        rig.gate.open("0@1", "0@2");
        await until(() => control.explain().partitions[0]?.behindWatermark === 2, "two behind");
        expect(rig.gate.started).to.have.length(3);
        rig.gate.open("0@0");
        await rig.started(5);
        rig.gate.open("0@3", "0@4");
        await control.drainAndShutdown();
      }));

    it("delivers no more than a crash may repeat, and commits in time (maxReplay.records)", () =>
      assertAllClosed(async () => {
        const control = rig.unordered({ maxReplay: { records: 4 } }, 60_000);
        rig.kafka.client.onCommit = () => undefined;
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 0, 10));
        await rig.started(4);
        rig.gate.open("0@0", "0@1");
        await until(() => rig.kafka.client.commits.length === 1, "a commit long before the interval");
        expect(rig.gate.started).to.have.length(4);
        rig.kafka.client.onCommit = (commit) => commit.acknowledge();
        rig.kafka.client.commits[0]?.acknowledge();
        await rig.started(6);
        rig.gate.open("0@2", "0@3", "0@4", "0@5");
        await rig.started(10);
        rig.gate.open("0@6", "0@7", "0@8", "0@9");
        await control.drainAndShutdown();
      }));

    it("delivers no more once the oldest uncommitted record is too old (maxReplay.ms)", () =>
      assertAllClosed(async () => {
        const control = rig.unordered({ maxReplay: { ms: 30 } }, 60_000);
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 0, 1));
        await rig.started(1);
        const age = (): number => control.explain().partitions[0]?.blockedBy?.ageMs ?? 0;
        await until(() => age() > 40, "the budget to pass");
        rig.kafka.client.give(records("t", 0, 1, 1));
        await until(() => control.explain().partitions[0]?.buffered === 1, "a record to wait");
        expect(rig.gate.started).to.have.length(1);
        rig.gate.open("0@0");
        await rig.started(2);
        rig.gate.open("0@1");
        await control.drainAndShutdown();
      }));
  });

  it("says so when a bound holds it back and nothing finishes, for that may be for ever", () =>
    assertAllClosed(async () => {
      const clock = virtualClock();
      const warnings: string[] = [];
      const logger = { ...silent, warn: (text: string) => void warnings.push(text) };
      const control = sourceWithOffsetContext({
        kafka: { ...rig.kafka.settings, logger },
        topics: ["t"],
        value: string(),
        maxReplay: { records: 2 },
      })
        .grouped(5)
        .toMat(committerSink(), DrainingControl.from)
        .run({ clock });
      await clock.advance(1);
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 5));
      const turn = async (ms: number, done: () => boolean): Promise<void> => {
        for (let turns = 0; turns < 2000 && !done(); turns++) {
          await new Promise((resolve) => setImmediate(resolve));
          await clock.advance(ms);
        }
      };
      await turn(100, () => warnings.length > 0);
      expect(warnings.join()).to.match(/no record has finished for 10000 ms.*maxReplay/);
      let drained = false;
      const draining = control.drainAndShutdown().finally(() => {
        drained = true;
      });
      await turn(10, () => drained);
      await draining;
    }));

  it("explains which record holds back the commit: offset, key, age and stage", () =>
    assertAllClosed(async () => {
      const control = rig.unordered();
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 3));
      await rig.started(3);
      rig.gate.open("0@0", "0@2");
      await until(() => control.explain().partitions[0]?.behindWatermark === 1, "one behind");
      const explanation = control.explain();
      expect(explanation.partitions[0]?.blockedBy).to.include({ offset: 1, key: "k1", stage: "mapAsyncUnordered" });
      expect(explanation.toString()).to.match(/t\[0\] delivering: waits for offset 1 \(key k1\).*mapAsyncUnordered/);
      rig.gate.open("0@1");
      await control.drainAndShutdown();
      expect(control.explain().toString()).to.include("closed");
    }));

  it("rejects a drain that is not finished in time with the report, and says what held it up", () =>
    assertAllClosed(async () => {
      const control = rig.unordered();
      await rig.kafka.client.assign(p0);
      rig.kafka.client.give(records("t", 0, 0, 2));
      await rig.started(2);
      rig.gate.open("0@0");
      const error = (await rejectionOf(control.drainAndShutdown({ timeoutMs: 1000 }))) as DrainError;
      expect(error).to.include({ code: "DRAIN_INCOMPLETE" });
      expect(error.report).to.include({ processed: 1, abandoned: 1, expectedReplays: 1 });
      expect(error.report.partitions[0]).to.include({ committed: 1 });
      expect(error.message).to.match(/waits for offset 1/);
      rig.gate.open("0@1");
      expect(await rejectionOf(control.streamCompletion), "what ended it").to.equal(error);
    }));
});
