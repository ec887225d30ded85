import {
  checkGraph,
  committableSource,
  type CommittableOffset,
  committerSink,
  DrainingControl,
  groupByPartition,
  groupByPartitionWithContext,
  type PartitionGroupsOptions,
  string,
} from "@millrace/kafka";
import { Keep, Sink, Source, SourceWithContext } from "@millrace/streams";
import { assertAllClosed, settle, sinkProbe, sourceProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { type Message, offsetSource } from "./graph-check/support/offset-source.js";
import { records } from "./support/fake-chunk.js";
import { FakeKafka } from "./support/fake-kafka.js";
import { FakeOwner } from "./support/fake-owner.js";
import { FollowedRig } from "./support/followed-rig.js";
import { Gate } from "../../../test/support/gate.js";
import { p0, p1 } from "./support/pipelines.js";
import { errorOf, rejectionOf, until } from "./support/until.js";

const p2 = { topic: "t", partition: 2 } as const;

describe("groupByPartition", () => {
  let kafka: FakeKafka;
  let gate: Gate;
  beforeEach(() => {
    kafka = new FakeKafka();
    gate = new Gate();
  });
  afterEach(() => kafka.verify());

  /** Works on two records of each partition at a time; `gate` says when each is done. */
  const run = (options?: PartitionGroupsOptions) =>
    committableSource({ kafka: kafka.settings, topics: ["t"], value: string() })
      .via(
        groupByPartition(
          (group) =>
            group.mapAsync(2, async ({ record, offset }) => {
              await gate.pass(`${record.partition}@${record.offset}`);
              return offset;
            }),
          options,
        ),
      )
      .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from)
      .run();

  const committed = (partition: number): number | undefined =>
    kafka.client
      .of("commit")
      .flatMap(({ positions }) => positions)
      .filter((each) => each.partition === partition)
      .at(-1)?.offset;
  const started = (...names: readonly string[]): Promise<void> =>
    until(() => names.every((name) => gate.started.includes(name)), `${names.join()} to begin`);

  it("refuses a bound that is no positive whole number when the graph is built", () => {
    for (const maxPartitions of [0, 1.5, -1]) {
      expect(errorOf(() => run({ maxPartitions }))).to.include({ code: "INVALID_SETTINGS" });
      expect(errorOf(() => groupByPartitionWithContext((group) => group, { maxPartitions }))).to.include({
        code: "INVALID_SETTINGS",
      });
    }
  });

  it("fails with a partition that fails, and commits nothing of the record", () =>
    assertAllClosed(async () => {
      const control = run();
      await kafka.client.assign(p0, p1);
      kafka.client.give([...records("t", 0, 0, 2), ...records("t", 1, 0, 1)]);
      await started("0@0", "0@1", "1@0");
      gate.open("0@1");
      const failure = new Error("work");
      gate.fail("0@0", failure);
      expect(await rejectionOf(control.streamCompletion)).to.equal(failure);
      await control.isShutdown.catch(() => undefined);
      expect(committed(0)).to.equal(undefined);
      gate.open("1@0");
    }));

  it("fails when more than maxPartitions are assigned at a time", () =>
    assertAllClosed(async () => {
      const control = run({ maxPartitions: 1 });
      await kafka.client.assign(p0, p1);
      kafka.client.give([...records("t", 0, 0, 1), ...records("t", 1, 0, 1)]);
      expect(await rejectionOf(control.streamCompletion)).to.include({ code: "TOO_MANY_SUBSTREAMS" });
      await control.isShutdown.catch(() => undefined);
      gate.open(...gate.started);
    }));

  it("keeps the order of a partition, and lets a slow one hold back no other", () =>
    assertAllClosed(async () => {
      const control = run();
      await kafka.client.assign(p0, p1);
      kafka.client.give([...records("t", 0, 0, 5), ...records("t", 1, 0, 5)]);
      await started("0@0", "0@1", "1@0", "1@1");
      for (let offset = 0; offset < 5; offset++) {
        await started(`1@${offset}`);
        gate.open(`1@${offset}`);
      }
      await until(() => committed(1) === 5, "the fast one");
      expect(gate.started.filter((name) => name.startsWith("0"))).to.deep.equal(["0@0", "0@1"]);
      gate.open("0@1");
      expect(committed(0)).to.equal(undefined);
      gate.open("0@0");
      for (let offset = 2; offset < 5; offset++) {
        await started(`0@${offset}`);
        gate.open(`0@${offset}`);
      }
      await until(() => committed(0) === 5, "the slow one");
      expect(await control.drainAndShutdown()).to.include({ delivered: 10, processed: 10, expectedReplays: 0 });
    }));

  it("lets a partition that was given up make room, also when it comes back", () =>
    assertAllClosed(async () => {
      const control = run({ maxPartitions: 1 });
      for (const [round, place] of [p0, p1, p2, p0].entries()) {
        await kafka.client.assign(place);
        kafka.client.give(records("t", place.partition, round, 1));
        await started(`${place.partition}@${round}`);
        gate.open(`${place.partition}@${round}`);
        await until(() => committed(place.partition) === round + 1, "a commit");
        await kafka.client.revoke(place);
      }
      await control.drainAndShutdown();
    }));

  interface HasOffset {
    readonly offset: CommittableOffset;
  }

  it("leaves upstream alone once 1024 elements wait in front of a busy partition", async () => {
    const owner = new FakeOwner();
    const stuck = groupByPartition<HasOffset, HasOffset>((group) => group.mapAsync(1, () => new Promise(() => 0)));
    const [upstream, downstream] = sourceProbe<HasOffset>().via(stuck).toMat(sinkProbe<HasOffset>(), Keep.both).run();
    downstream.request();
    await settle();
    let sent = 0;
    for (; upstream.demand && sent < 3000; await settle()) {
      upstream.sendChunk(Array.from({ length: 100 }, () => ({ offset: owner.offset(sent++) })));
    }
    expect(sent).to.be.within(1024, 1024 + 200);
    downstream.cancel();
  });

  it("completes the group of a partition that was given up when another begins", async () => {
    const owner = new FakeOwner();
    const seen: string[][] = [];
    const [upstream, done] = sourceProbe<HasOffset>()
      .via(groupByPartition<HasOffset, readonly HasOffset[]>((group) => group.grouped(10)))
      .toMat(
        Sink.forEach((each: readonly HasOffset[]) => {
          seen.push(each.map(({ offset }) => `${offset.partition}@${offset.offset}`));
        }),
        Keep.both,
      )
      .run();
    await settle();
    upstream.send({ offset: owner.offset(0) }, { offset: owner.offset(1) });
    await settle();
    owner.gone.add(0);
    upstream.send({ offset: owner.offset(7, 1) });
    await settle();
    expect(seen).to.deep.equal([["0@0", "0@1"]]);
    upstream.complete();
    await done;
    expect(seen).to.deep.equal([["0@0", "0@1"], ["1@7"]]);
  });

  it("gives an assignment of its own a group of its own", async () => {
    const owner = new FakeOwner();
    const seen: number[][] = [];
    const [upstream, done] = sourceProbe<HasOffset>()
      .via(groupByPartition<HasOffset, readonly HasOffset[]>((group) => group.grouped(10)))
      .toMat(
        Sink.forEach((each: readonly HasOffset[]) => {
          seen.push(each.map(({ offset }) => offset.offset));
        }),
        Keep.both,
      )
      .run();
    await settle();
    const ofEpoch = (offset: number, epoch: number): HasOffset => ({ offset: owner.offset(offset, 0, "t", epoch) });
    // One of an old assignment may come late.
    upstream.send(ofEpoch(5, 1), ofEpoch(0, 2), ofEpoch(6, 1), ofEpoch(1, 2));
    upstream.complete();
    await done;
    expect(seen).to.have.deep.members([
      [5, 6],
      [0, 1],
    ]);
  });

  describe("before a committer", () => {
    const { source } = offsetSource();
    const hazards = (build: Parameters<typeof groupByPartition<Message, CommittableOffset>>[0]) =>
      checkGraph(source.via(groupByPartition(build)).to(committerSink())).hazards.map(({ code }) => code);

    it("is refused when order is lost inside a group", () => {
      const unordered = hazards((group) => group.mapAsyncUnordered(4, ({ offset }) => offset));
      expect(unordered).to.deep.equal(["ORDER_LOST"]);
    });

    it("is allowed when it is not", () => {
      expect(hazards((group) => group.mapAsync(4, ({ offset }) => offset))).to.deep.equal([]);
    });

    it("is what other keys are refused for", () => {
      const byKey = source
        .groupBy(8, ({ record }) => record.key)
        .mergeSubstreams()
        .map(({ offset }) => offset)
        .to(committerSink());
      expect(checkGraph(byKey).hazards[0]?.fix).to.include("groupByPartition");
    });
  });

  describe("with context", () => {
    let rig: FollowedRig;
    beforeEach(() => {
      rig = new FollowedRig();
    });
    afterEach(() => rig.kafka.verify());

    const running = (options?: PartitionGroupsOptions) =>
      rig
        .source()
        .via(
          groupByPartitionWithContext(
            (group) => group.mapAsync(1, ({ partition, offset }) => rig.gate.pass(`${partition}@${offset}`)),
            options,
          ),
        )
        .toMat(committerSink({ maxIntervalMs: 1 }), DrainingControl.from)
        .run();

    it("fails when a group completes before its records do", () =>
      assertAllClosed(async () => {
        const claim = { share: () => undefined, end: () => undefined, at: () => undefined };
        const one = SourceWithContext.fromSource(Source.single({ value: 1, claim }));
        const control = rig
          .source()
          .via(groupByPartitionWithContext((group) => group.zip(one)))
          .toMat(committerSink(), DrainingControl.from)
          .run();
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 0, 3));
        expect(await rejectionOf(control.streamCompletion)).to.include({ code: "INVALID_ARGUMENT" });
        await control.isShutdown.catch(() => undefined);
      }));

    it("keeps the order of a partition, beside others", () =>
      assertAllClosed(async () => {
        const control = running();
        await rig.kafka.client.assign(p0, p1);
        rig.kafka.client.give([...records("t", 0, 0, 3), ...records("t", 1, 0, 3)]);
        await rig.started(2);
        expect(rig.gate.started).to.have.members(["0@0", "1@0"]);
        for (let index = 0; index < 6; index++) {
          await until(() => rig.gate.started.length > index, `record ${index}`);
          rig.gate.open(rig.gate.started[index] as string);
        }
        const orderOf = (partition: number) => rig.gate.started.filter((name) => name.startsWith(`${partition}@`));
        await until(() => rig.gate.started.length === 6, "all");
        expect(orderOf(0)).to.deep.equal(["0@0", "0@1", "0@2"]);
        expect(orderOf(1)).to.deep.equal(["1@0", "1@1", "1@2"]);
        expect(await control.drainAndShutdown()).to.include({ processed: 6, expectedReplays: 0 });
      }));

    it("lets a partition that was given up make room", () =>
      assertAllClosed(async () => {
        const control = running({ maxPartitions: 1 });
        for (const [round, place] of [p0, p1, p0].entries()) {
          await rig.kafka.client.assign(place);
          rig.kafka.client.give(records("t", place.partition, round, 1));
          await rig.started(round + 1);
          rig.gate.open(`${place.partition}@${round}`);
          await until(() => rig.positions().length === round + 1, "a commit");
          await rig.kafka.client.revoke(place);
        }
        await control.drainAndShutdown();
      }));
  });
});
