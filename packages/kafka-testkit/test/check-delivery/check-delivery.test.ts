import {
  type CommittableMessage,
  type CommittableOffset,
  committableSource,
  committerSink,
  type Control,
  DrainingControl,
  produce,
  producerFlow,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import { checkDelivery, type DeliveryPipeline, type DeliveryWorld } from "@millrace/kafka-testkit";
import type { Source } from "@millrace/streams";
import { liveRuns } from "@millrace/streams/stage";
import { expect } from "chai";
import { caught } from "./support/caught.js";

const explicit = ({ kafka, input }: DeliveryWorld): Source<CommittableMessage<string, string>, Control> =>
  committableSource({ kafka, topics: [input], value: string() });

const inOrder: DeliveryPipeline = (world) =>
  explicit(world)
    .mapAsync(4, async ({ record, offset }) => {
      await world.effect(record.value);
      return offset;
    })
    .toMat(committerSink(), DrainingControl.from);

/** Nobody waits for the effect. */
const tooEarly: DeliveryPipeline = (world) =>
  explicit(world)
    .map(({ record, offset }) => {
      void world.effect(record.value);
      return offset;
    })
    .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from);

const copy: DeliveryPipeline = (world) =>
  explicit(world)
    .map(({ record, offset }) => produce({ topic: world.output, key: record.key, value: record.value }, offset))
    .via(producerFlow<string, string, CommittableOffset>({ kafka: world.kafka, value: string() }))
    .map(({ passThrough }) => passThrough)
    .toMat(committerSink(), DrainingControl.from);

describe("checkDelivery", function () {
  this.timeout(60_000);

  describe("fails", () => {
    it("with the shortest history of a loss: what was lost, when the process died, and how to see it again", async () => {
      const error = await caught(tooEarly);
      expect(error.code).to.equal("LOST");
      expect(error.plan).to.deep.include({ records: 1, partitions: 1, processes: 1, faults: {}, disturbances: [] });
      expect(error.plan.kills).to.have.lengthOf(1);
      expect(error.message)
        .to.match(/^LOST: record 0:0 \(partition 0, offset 0\) is lost: its effect "0:0" never happened/)
        .and.include(`The process died at step ${error.plan.kills[0]}.`)
        .and.include("Guarantee at-least-once; 1 records, 1 partitions, 1 processes, seed ")
        .and.include("is stored: input-0@1  <-- ABOVE 0:0, under way")
        .and.include("This looks like: an offset that does not wait for its record")
        .and.include(`{ ...options, replay: ${JSON.stringify(error.plan)} }`);
      expect(error.history.length).to.be.lessThan(20);
    });

    it("again in exactly the same way when its plan is replayed", async () => {
      const error = await caught(tooEarly);
      const again = await caught(tooEarly, { replay: error.plan });
      const parsed = await caught(tooEarly, { replay: JSON.parse(JSON.stringify(error.plan)) as typeof error.plan });
      expect(again.history).to.deep.equal(error.history);
      expect(parsed.history).to.deep.equal(error.history);
      expect(again.code).to.equal(error.code);
    });

    it("in the same way from the same seed", async () => {
      const [first, second] = [await caught(tooEarly, { seed: 5 }), await caught(tooEarly, { seed: 5 })];
      expect(second.message).to.equal(first.message);
    });

    it("on a pipeline that never gets on, with the source's explanation", async () => {
      const stuck: DeliveryPipeline = (world) =>
        sourceWithOffsetContext({ kafka: world.kafka, topics: [world.input], value: string() })
          .mapAsync(1, () => new Promise(() => undefined))
          .toMat(committerSink(), DrainingControl.from);
      const error = await caught(stuck, { withinMs: 5000 });
      expect(error.code).to.equal("STUCK");
      expect(error.message).to.include('"0:0" of record 0:0').and.include("waits for offset 0 (key key0)");
    });

    it("on a pipeline that always fails, with its error as the cause", async () => {
      const broken = new Error("always");
      const failing: DeliveryPipeline = (world) =>
        explicit(world)
          .mapAsync(1, () => Promise.reject(broken))
          .toMat(committerSink(), DrainingControl.from);
      const error = await caught(failing);
      expect(error).to.include({ code: "ALWAYS_FAILS", cause: broken });
      expect(error.message).to.include("fails: always, again and again");
    });

    it("with exactly-once, when a kill makes an effect happen twice", async () => {
      const { code } = await caught(copy, { guarantee: "exactly-once" });
      expect(code).to.equal("DUPLICATED");
    });

    it("when a kill repeats more than the budget", async () => {
      const error = await caught(inOrder, { maxReplay: 1 });
      expect(error.code).to.equal("REPLAY_EXCEEDED");
    });

    it("with what the pipeline itself throws", async () => {
      const mistake = new TypeError("mistake");
      const thrown = await checkDelivery(
        () => {
          throw mistake;
        },
        { guarantee: "at-least-once" },
      ).catch((error: unknown) => error);
      expect(thrown).to.equal(mistake);
    });

    it("on options that make no sense", async () => {
      const thrown = await checkDelivery(inOrder, { guarantee: "at-least-once", records: 0 }).catch(
        (error: unknown) => error,
      );
      expect(thrown).to.be.instanceOf(RangeError);
    });
  });

  it("answers what it has tried on a pipeline that keeps its promise", async () => {
    const report = await checkDelivery(inOrder, { guarantee: "at-least-once" });
    expect(report.runs).to.equal(200);
    expect(report.kills).to.be.greaterThan(150);
    expect(report.records).to.equal(1200);
    expect(report.maxReplay).to.be.within(1, 6);
    expect(report.duplicates.max).to.be.greaterThan(0);
    expect(String(report)).to.match(/^200 runs of \d+ steps with \d+ kills: nothing lost of 1200 records;/);
  });

  it("copes with more records than it can try every kill of", async () => {
    const options = { guarantee: "at-least-once", records: 200, partitions: 5, processes: 2, runs: 10 } as const;
    const report = await checkDelivery(inOrder, options);
    expect(report.records).to.equal(2000);
    expect(report.kills).to.be.greaterThan(3);
  });

  it("takes the same steps from the same seed", async () => {
    const options = { guarantee: "at-least-once", runs: 40, seed: 3 } as const;
    const [first, second] = [await checkDelivery(inOrder, options), await checkDelivery(inOrder, options)];
    expect(JSON.stringify(second)).to.equal(JSON.stringify(first));
  });

  it("leaves nothing running", async () => {
    const before = liveRuns();
    await checkDelivery(inOrder, { guarantee: "at-least-once", runs: 40 });
    await caught(tooEarly);
    expect(liveRuns()).to.equal(before);
  });
});
