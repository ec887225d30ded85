import { committerSink, DrainingControl } from "@millrace/kafka";
import {
  checkDelivery,
  type CheckDeliveryOptions,
  type DeliveryInput,
  type DeliveryPipeline,
} from "@millrace/kafka-testkit";
import { FlowWithContext, Join, Supervision } from "@millrace/streams";
import { expect } from "chai";
import { caught } from "./support/caught.js";
import { copying, effecting, followed, type FollowedRecord, output } from "./support/pipelines.js";
import { unhandledRejections } from "../../../../test/support/unhandled.js";

const branch: FlowWithContext<FollowedRecord, FollowedRecord> = FlowWithContext.of<FollowedRecord>();
const isEven = ({ offset }: { readonly offset: number }): boolean => offset % 2 === 0;
const evenOnly = ({ id, offset }: DeliveryInput): readonly string[] => (offset % 2 === 0 ? [id] : []);
const halves = ({ id }: DeliveryInput): readonly string[] => [`${id}a`, `${id}b`];

const none = (): readonly FollowedRecord[] => [];
const all = (kept: readonly FollowedRecord[]): readonly FollowedRecord[] => kept;
/** A quiet partition gives its last record away as well. */
const emitOnTimer = { intervalMs: 50 };

interface Row {
  readonly pipeline: DeliveryPipeline;
  readonly options?: Partial<CheckDeliveryOptions>;
}

/** The rows of the hazard table, and more: here each of them is safe. */
const SAFE: Readonly<Record<string, Row>> = {
  "one record with several outputs": {
    pipeline: (world) =>
      followed(world)
        .mapConcat((record) => [
          { ...output(world, { record }, "a"), partition: 1 },
          { ...output(world, { record }, "b"), partition: 0 },
        ])
        .via(copying(world))
        .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
    options: { expected: halves },
  },
  "one record with several effects, unordered": {
    pipeline: (world) =>
      followed(world)
        .mapConcat(({ value }) => [`${value}a`, `${value}b`])
        .mapAsyncUnordered(4, (id) => world.effect(id))
        .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
    options: { expected: halves },
  },
  "records without output": {
    pipeline: (world) =>
      followed(world)
        .filter(isEven)
        .map((record) => output(world, { record }))
        .via(copying(world))
        .toMat(committerSink(), DrainingControl.from),
    options: { expected: evenOnly },
  },
  "a batch that is split again": {
    pipeline: (world) =>
      followed(world)
        .groupedWithin(3, 50)
        .mapConcat((records) => records)
        .mapAsync(1, effecting(world))
        .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
  },
  "a state that keeps records until a batch is full": {
    pipeline: (world) =>
      followed(world)
        .aggregateWithBoundary(none, (kept, record) => [[...kept, record], kept.length === 1], all, { emitOnTimer })
        .mapAsync(1, async (records) => {
          for (const { value } of records) await world.effect(value);
        })
        .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
  },
  "a state that keeps each record until the next has come": {
    pipeline: (world) =>
      followed(world)
        .aggregateWithBoundary(none, (_, record) => [[record], false], all, { startsNew: () => true, emitOnTimer })
        .mapAsyncUnordered(2, async ([record]) => world.effect((record as FollowedRecord).value))
        .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
    options: { effectErrorRate: 0.1 },
  },
  "alsoTo, whose side branch has the effect": {
    pipeline: (world) =>
      followed(world)
        .alsoTo(branch.mapAsync(1, effecting(world)))
        .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
  },
  "broadcast, merged": {
    pipeline: (world) =>
      followed(world)
        .broadcast([branch.mapAsync(1, effecting(world)), branch], Join.merge<FollowedRecord>())
        .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
  },
  mapAsyncUnordered: {
    pipeline: (world) =>
      followed(world)
        .mapAsyncUnordered(4, effecting(world))
        .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
  },
  "mapAsyncPartitioned by key": {
    pipeline: (world) =>
      followed(world)
        .mapAsyncPartitioned(4, ({ key }) => key, effecting(world))
        .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
  },
  "groupBy(key) and mergeSubstreams": {
    pipeline: (world) =>
      followed(world)
        .groupBy(8, ({ key }) => key)
        .mapAsync(1, effecting(world))
        .mergeSubstreams()
        .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
  },
  "partition, rejoined by merge": {
    pipeline: (world) =>
      followed(world)
        .partition(
          [branch.mapAsync(1, effecting(world)), branch.mapAsync(1, effecting(world))],
          (record) => (isEven(record) ? 0 : 1),
          Join.merge<FollowedRecord>(),
        )
        .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
  },
  "divertTo, never rejoined": {
    pipeline: (world) =>
      followed(world)
        .divertTo(branch.mapAsync(1, effecting(world)), isEven)
        .mapAsync(1, effecting(world))
        .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
  },
  "a dropping buffer, behind the effect": {
    pipeline: (world) =>
      followed(world)
        .mapAsyncUnordered(4, effecting(world))
        .buffer(1, "dropHead")
        .mapAsync(1, () => world.sleep(50))
        .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
  },
  "a dropping buffer before the effect, where records may be left out": {
    pipeline: (world) =>
      followed(world)
        .buffer(1, "dropHead")
        .mapAsync(1, effecting(world))
        .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
    options: { expected: () => [] },
  },
  "failed handlers that fail the stream": {
    pipeline: (world) =>
      followed(world)
        .mapAsyncUnordered(4, effecting(world))
        .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
    options: { effectErrorRate: 0.1 },
  },
  "two processes": {
    pipeline: (world) =>
      followed(world)
        .mapAsyncUnordered(4, effecting(world))
        .map((record) => output(world, { record }))
        .via(copying(world))
        .toMat(committerSink(), DrainingControl.from),
    options: { processes: 2, runs: 120 },
  },
};

describe("checkDelivery of pipelines with context", function () {
  this.timeout(120_000);

  describe("finds", () => {
    it("a dropping buffer before the effect, where every record has to have its effect", async () => {
      const error = await caught((world) =>
        followed(world)
          .buffer(1, "dropHead")
          .mapAsync(1, effecting(world))
          .toMat(committerSink(), DrainingControl.from),
      );
      expect(error.code).to.equal("LOST");
      expect(error.message).to.include("This looks like: a record left out");
    });

    it("an effect that nobody waits for", async () => {
      const error = await caught((world) =>
        followed(world)
          .map((record) => void world.effect(record.value).catch(() => undefined))
          .toMat(committerSink(), DrainingControl.from),
      );
      expect(error.code).to.equal("LOST");
    });

    it("a record that stays in a state while its claim goes on without it", async () => {
      const error = await caught((world) =>
        followed(world)
          .statefulMap<FollowedRecord | undefined, FollowedRecord | undefined>(
            () => undefined,
            (previous, record) => [record, previous],
          )
          .mapAsync(1, async (previous) => previous && world.effect(previous.value))
          .toMat(committerSink({ maxIntervalMs: 50 }), DrainingControl.from),
      );
      expect(error.code).to.equal("LOST");
    });

    it("records that stay in a closure, of which mapConcat gives nothing", async () => {
      const error = await caught((world) => {
        let kept: FollowedRecord[] = [];
        return followed(world)
          .mapConcat((record) => {
            kept.push(record);
            if (kept.length < 2) return [];
            const full = kept;
            kept = [];
            return [full];
          })
          .mapAsync(1, async (records) => {
            for (const { value } of records) await world.effect(value);
          })
          .toMat(committerSink({ maxIntervalMs: 50 }), DrainingControl.from);
      });
      expect(error.code).to.equal("LOST");
    });

    it("a failed handler that supervision goes on without", async () => {
      const error = await caught(
        (world) =>
          followed(world)
            .mapAsync(2, effecting(world))
            .withAttributes({ supervision: Supervision.resumingDecider })
            .toMat(committerSink(), DrainingControl.from),
        { effectErrorRate: 0.2 },
      );
      expect(error.code).to.equal("LOST");
      expect(error.message).to.include("This looks like: a failure that finished its record");
    });
  });

  describe("passes", () => {
    for (const [name, { pipeline, options }] of Object.entries(SAFE)) {
      it(name, async () => {
        const unheard = await unhandledRejections(async () => {
          const report = await checkDelivery(pipeline, { guarantee: "at-least-once", runs: 60, ...options });
          expect(report.kills).to.be.greaterThan(20);
        });
        // A side branch that nobody watches may fail as well, after the stream has.
        expect(unheard.map(String).filter((text) => !text.includes("as checkDelivery tries"))).to.deep.equal([]);
      });
    }

    it("a budget: no kill repeats more records than maxReplay allows the source", async () => {
      const pipeline: DeliveryPipeline = (world) =>
        followed(world, { maxReplay: { records: 3 } })
          .mapAsyncUnordered(8, effecting(world))
          .toMat(committerSink(), DrainingControl.from);
      const report = await checkDelivery(pipeline, { guarantee: "at-least-once", records: 8, runs: 120, maxReplay: 3 });
      expect(report.maxReplay).to.equal(3);
    });
  });
});
