import {
  committablePartitionedManualOffsetSource,
  committerSink,
  DrainingControl,
  partitionedSourceWithOffsetContext,
  plainPartitionedSource,
  string,
  type TopicPartition,
} from "@millrace/kafka";
import { Keep, Sink } from "@millrace/streams";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import type { FakeConsumer } from "../../support/fake-consumer.js";
import { records } from "../../support/fake-chunk.js";
import { FakeKafka } from "../../support/fake-kafka.js";
import { Gate } from "../../../../../test/support/gate.js";
import { p0, p1 } from "../../support/pipelines.js";
import { morePolls, until } from "../../support/until.js";
import { Latch } from "../../../../../test/support/latch.js";

const BOUND = 8;

describe("Alpakka's scenarios of sources of partitions", () => {
  let kafka: FakeKafka;
  let gate: Gate;
  let seen: string[];
  let ended: string[];
  beforeEach(() => {
    kafka = new FakeKafka();
    gate = new Gate();
    seen = [];
    ended = [];
  });
  afterEach(() => kafka.verify());

  const settings = () => ({
    kafka: kafka.settings,
    topics: ["t"],
    value: string(),
    maxPollRecords: BOUND,
    maxBufferedRecords: BOUND,
  });

  /** Works on a record of each partition at a time, until `gate` opens. */
  const gated = (name = "") =>
    plainPartitionedSource(settings())
      .mapAsyncUnordered(10, async ({ partition, source }) => {
        seen.push(`${name}opened ${partition}`);
        await source.mapAsync(1, (record) => gate.pass(`${record.partition}@${record.offset}`)).runWith(Sink.ignore);
        ended.push(`${name}${partition}`);
      })
      .toMat(Sink.ignore, DrainingControl.from)
      .run();

  const started = (...names: readonly string[]): Promise<void> =>
    until(() => names.every((name) => gate.started.includes(name)), `${names.join()} to begin`);
  /** Opens what begins, until `last` has. */
  const openThrough = async (partition: number, from: number, last: number): Promise<void> => {
    for (let offset = from; offset <= last; offset++) {
      await started(`${partition}@${offset}`);
      gate.open(`${partition}@${offset}`);
    }
  };
  const drain = async (control: DrainingControl<void>): Promise<void> => {
    const drained = control.drainAndShutdown();
    gate.open(...gate.started);
    await drained;
  };

  it("P-01 P-03 P-19 reads only partitions whose records are wanted, once their bound is reached", () =>
    assertAllClosed(async () => {
      const control = gated();
      await kafka.client.assign(p0, p1);
      kafka.client.give([...records("t", 0, 0, 40), ...records("t", 1, 0, 6)]);
      await started("0@0", "1@0");
      await openThrough(1, 0, 5);
      expect([...kafka.client.paused]).to.deep.equal(["0 t"]);
      expect(kafka.client.waiting).to.be.within(40 - 3 * BOUND, 40);
      expect(gate.started.filter((name) => name.startsWith("0@"))).to.deep.equal(["0@0"]);
      await openThrough(0, 0, 39);
      expect(kafka.client.paused.size).to.equal(0);
      await drain(control);
    }));

  it("P-02 P-20 finishes what is in flight when a partition is revoked, and then completes its source", () =>
    assertAllClosed(async () => {
      const control = partitionedSourceWithOffsetContext(settings())
        .mapAsyncUnordered(10, async ({ partition, source }) => {
          await source
            .mapAsync(2, (record) => gate.pass(`${record.partition}@${record.offset}`))
            .toMat(committerSink({ maxIntervalMs: 1 }), Keep.right)
            .run();
          ended.push(String(partition));
        })
        .toMat(Sink.ignore, DrainingControl.from)
        .run();
      await kafka.client.assign(p0, p1);
      kafka.client.give(records("t", 0, 0, 2));
      await started("0@0", "0@1");
      let revoked = false;
      const revoking = kafka.client.revoke(p0).then(() => {
        revoked = true;
      });
      gate.open("0@0");
      await morePolls(kafka.client, 3);
      expect([revoked, ended]).to.deep.equal([false, []]);
      gate.open("0@1");
      await revoking;
      expect(kafka.client.commits.at(-1)?.positions).to.deep.equal([{ ...p0, offset: 2 }]);
      await until(() => ended.length === 1, "the source to complete");
      expect(ended).to.deep.equal(["0"]);
      await control.drainAndShutdown();
    }));

  it("P-18 completes and opens sources as partitions move between two members", () =>
    assertAllClosed(async () => {
      const controls = [gated("a")];
      const [a] = kafka.consumers as [FakeConsumer];
      await a.assign(p0, p1);
      controls.push(gated("b"));
      const b = kafka.client;
      await a.revoke(p1);
      await b.assign(p1);
      await until(() => ended.includes("a1") && seen.includes("bopened 1"), "the move");
      b.give(records("t", 1, 0, 1));
      await openThrough(1, 0, 0);
      await b.revoke(p1);
      await a.assign(p1);
      await until(() => ended.includes("b1"), "the move back");
      a.give(records("t", 1, 1, 1));
      await openThrough(1, 1, 1);
      expect(seen).to.deep.equal(["aopened 0", "aopened 1", "bopened 1", "aopened 1"]);
      await Promise.all(controls.map((control) => control.drainAndShutdown()));
    }));

  describe("with commits and positions kept elsewhere", () => {
    const events: string[] = [];
    beforeEach(() => void events.splice(0));
    const names = (partitions: readonly TopicPartition[]): string =>
      partitions.map(({ partition }) => partition).join();

    const run = (answer: Promise<void> = Promise.resolve()) =>
      committablePartitionedManualOffsetSource({
        ...settings(),
        getOffsetsOnAssign: async (partitions) => {
          events.push(`asked ${names(partitions)}`);
          await answer;
          return partitions.map((each) => ({ ...each, offset: 300 }));
        },
        onRevoke: (partitions) => void events.push(`revoked ${names(partitions)}`),
      })
        .mapAsyncUnordered(10, ({ source }) =>
          source
            .map(({ record, offset }) => {
              events.push(`${record.partition}@${record.offset}`);
              return offset;
            })
            .runWith(committerSink({ maxBatch: 1 })),
        )
        .toMat(Sink.ignore, DrainingControl.from)
        .run();

    it("P-14 P-15 P-16 asks for what is assigned, begins there before anything is read, and reports what was revoked", () =>
      assertAllClosed(async () => {
        const answer = new Latch();
        const control = run(answer.opened);
        const assigning = kafka.client.assign(p0, p1);
        await until(() => events.length === 1, "the question");
        expect(kafka.client.of("assigned")).to.deep.equal([]);
        answer.open();
        await assigning;
        expect(kafka.client.of("assigned").at(-1)?.partitions).to.deep.equal([
          { ...p0, offset: 300 },
          { ...p1, offset: 300 },
        ]);
        kafka.client.give(records("t", 0, 300, 1));
        await until(() => events.includes("0@300"), "a record");
        await kafka.client.revoke(p0);
        await kafka.client.revoke(p1);
        await kafka.client.assign(p1);
        expect(events).to.deep.equal(["asked 0,1", "0@300", "revoked 0", "revoked 1", "asked 1"]);
        await control.drainAndShutdown();
      }));
  });

  it("reads a new partition of a running rebalance no further than its bound while its source is not run", () =>
    assertAllClosed(async () => {
      const wanted = new Latch();
      const control = plainPartitionedSource(settings())
        .mapAsyncUnordered(10, async ({ partition, source }) => {
          if (partition === 1) await wanted.opened;
          await source.runWith(Sink.forEach((record) => void seen.push(`${record.partition}@${record.offset}`)));
        })
        .toMat(Sink.ignore, DrainingControl.from)
        .run();
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 0, 3));
      await until(() => seen.length === 3, "the first");
      await kafka.client.assign(p1);
      for (let from = 0; from < 1000; from += 100) kafka.client.give(records("t", 1, from, 100));
      await until(() => kafka.client.paused.has("1 t"), "a pause of the new one");
      expect(control.metrics().buffered).to.be.at.most(2 * BOUND);
      expect(kafka.client.waiting).to.be.at.least(1000 - 2 * BOUND);
      wanted.open();
      await until(() => seen.length === 3 + 1000, "all of it");
      expect(new Set(seen).size).to.equal(1003);
      await control.drainAndShutdown();
    }));
});
